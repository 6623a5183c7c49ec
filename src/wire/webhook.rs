//! A webhook: an event once more, nested as the Members API nests it, and its way through the queues.
//!
//! Apart from the event, because receivers are others than the broker's consumers, and get their own wrapping around it.

use axum::body::Bytes;
use serde::Serialize;
use uuid::Uuid;

use super::headers::{
    ATTEMPTS, ERROR, EVENT_TYPE, FIRST_SEEN, MEMBER_ID, REASON, SITE_ID, TARGET, WEBHOOK_DEAD_LETTER_KEY, WEBHOOK_TYPE,
};
use super::pen::Object;
use super::{HeaderValue, Outgoing};
use crate::domain::SiteId;

/// The claims of the signed body. The event is a text within the text of `data`: so receivers expect it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claims {
    /// What [`data`] makes.
    pub data: String,
    /// When it was signed, seconds since 1970.
    pub iat: i64,
    /// Until when receivers take it.
    pub exp: i64,
}

/// What a webhook says: an event (the text of its body), whose site it is of, who caused it (the text of header `identity`),
/// and the account, where that is known.
#[must_use]
pub fn data(event: &str, site: SiteId, identity: Option<&str>, account: Option<Uuid>) -> String {
    let mut out = Vec::with_capacity(event.len() + event.len() / 4 + 512);
    let mut webhook = Object::open(&mut out);
    webhook.word("eventType", EVENT_TYPE);
    // What a site is to the Members API, the instance is to an app on it.
    webhook.guid("instanceId", site.0);
    webhook.text("data", event);
    if let Some(identity) = identity {
        webhook.text("identity", identity);
    }
    if let Some(account) = account {
        let mut info = Object::open(webhook.value("accountInfo"));
        info.guid("accountId", account);
        info.guid("siteId", site.0);
        info.close();
    }
    webhook.close();
    // Made of text alone.
    String::from_utf8_lossy(&out).into_owned()
}

/// A signed webhook on its way to one target: what travels through the queues, so that each try sends the same bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The target's name.
    pub target: Box<str>,
    /// The event's id.
    pub event_id: Box<str>,
    /// The event's site.
    pub site: Box<str>,
    /// The event's member.
    pub member: Box<str>,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// When the event became a webhook, RFC 3339.
    pub first_seen: Box<str>,
    /// The body as it is posted. Shared by all who are about to send it.
    pub body: Bytes,
}

/// Why a webhook is a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookDeadReason {
    /// The last try failed.
    Exhausted,
    /// Too many wait for its target already.
    NoRoom,
    /// Signed, it is larger than the broker takes: the event lies there as it came.
    TooLarge,
    /// It is no event of ours, or no webhook of ours.
    Malformed,
    /// The queue that it was to go into is not bound.
    Unroutable,
    /// It lay for so long that receivers refuse its signature.
    Expired,
}

impl WebhookDeadReason {
    /// The word in the header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::NoRoom => "no_room",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Unroutable => "unroutable",
            Self::Expired => "expired",
        }
    }
}

/// The routing key that leads to a target's dead letters; without a target, to those that are nobody's.
#[must_use]
pub fn dead_letter_key(target: &str) -> String {
    if target.is_empty() { WEBHOOK_DEAD_LETTER_KEY.to_owned() } else { format!("{WEBHOOK_DEAD_LETTER_KEY}.{target}") }
}

impl Delivery {
    /// The message that leads it to its target, or into a wait: by `key` of `exchange`, written by `user`.
    #[must_use]
    pub fn outgoing(&self, exchange: &str, key: String, user: &str) -> Outgoing {
        let text = |text: &str| HeaderValue::Text(text.to_owned().into());
        let headers = [
            (TARGET, text(&self.target)),
            (SITE_ID, text(&self.site)),
            (MEMBER_ID, text(&self.member)),
            (ATTEMPTS, HeaderValue::Number(self.attempts.into())),
            (FIRST_SEEN, text(&self.first_seen)),
        ];
        Outgoing {
            exchange: exchange.to_owned().into(),
            routing_key: key.into(),
            message_id: Some(self.event_id.clone()),
            kind: Some(WEBHOOK_TYPE.into()),
            content_type: Some("application/jwt".into()),
            user_id: Some(user.into()),
            app_id: Some("join-community".into()),
            persistent: true,
            headers: headers.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            body: self.body.to_vec(),
            ..Outgoing::default()
        }
    }

    /// The dead letter of it.
    #[must_use]
    pub fn dead(&self, exchange: &str, user: &str, reason: WebhookDeadReason, error: &str) -> Outgoing {
        let mut letter = self.outgoing(exchange, dead_letter_key(&self.target), user);
        letter.headers.push((REASON.into(), HeaderValue::Text(reason.as_str().into())));
        letter.headers.push((ERROR.into(), HeaderValue::Text(error.to_owned().into())));
        if matches!(reason, WebhookDeadReason::TooLarge | WebhookDeadReason::Malformed) {
            // Not signed, or nobody knows what.
            letter.content_type = None;
        }
        letter
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::{Delivery, WebhookDeadReason, data};
    use crate::wire::sample::{SITE, change};
    use crate::wire::{HeaderValue, event};

    const ACCOUNT: Uuid = Uuid::from_u128(7);

    #[test]
    fn an_event_and_who_caused_it_are_texts_within_a_text() {
        let event = String::from_utf8(event::event(&change(), "members.events").unwrap().body).unwrap();
        let identity = r#"{"identityType":"APP","appId":"a\"b"}"#;
        let said: Value = serde_json::from_str(&data(&event, SITE, Some(identity), Some(ACCOUNT))).unwrap();
        let expected = json!({
            "eventType": "wix.members.v1.member_updated", "instanceId": SITE.0, "data": event, "identity": identity,
            "accountInfo": { "accountId": ACCOUNT, "siteId": SITE.0 },
        });
        assert_eq!(said, expected);
        let fields: Vec<_> = said.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields.len(), 5, "{fields:?}");
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let said: Value = serde_json::from_str(&data("{}", SITE, None, None)).unwrap();
        let expected = json!({ "eventType": "wix.members.v1.member_updated", "instanceId": SITE.0, "data": "{}" });
        assert_eq!(said, expected);
    }

    #[test]
    fn a_dead_letter_names_target_and_reason_and_holds_the_same_bytes() {
        let body = Bytes::from_static(b"a.b.c");
        let delivery = Delivery { target: "crm".into(), attempts: 12, body, ..Delivery::default() };
        let letter = delivery.dead("x.internal", "worker", WebhookDeadReason::Exhausted, "answered 503");
        assert_eq!((&*letter.exchange, &*letter.routing_key), ("x.internal", "webhook-dead-letter.crm"));
        for (name, value) in [
            ("x-join-community-target", HeaderValue::Text("crm".into())),
            ("x-join-community-attempts", HeaderValue::Number(12)),
            ("x-join-community-reason", HeaderValue::Text("exhausted".into())),
            ("x-join-community-error", HeaderValue::Text("answered 503".into())),
        ] {
            assert!(letter.headers.contains(&(name.into(), value)), "{name} of {:?}", letter.headers);
        }
        assert_eq!(letter.body, delivery.body);
        assert_eq!(letter.user_id.as_deref(), Some("worker"));
        let nobodys = Delivery::default().dead("x.internal", "worker", WebhookDeadReason::Malformed, "no event");
        assert_eq!(&*nobodys.routing_key, "webhook-dead-letter");
    }
}
