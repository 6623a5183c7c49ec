//! An event, read from the delivery that carries it.

use lapin::message::Delivery;
use serde::Deserialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::headers;
use super::super::member::{Member, at, place};
use crate::domain::{Caller, IdentityType, RequestId, SiteId};
use crate::wire::headers::TRACEPARENT;

/// A member has changed, and is now as shown.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MemberUpdated {
    /// The event's id, the same whenever it is sent.
    pub id: Uuid,
    /// The member's site.
    pub site: SiteId,
    /// The member as the change left it.
    pub member: Member,
    /// Rises with every change of the member's record, whoever makes it. Changes that follow each other closely are
    /// announced as one, the newest: a gap is no loss.
    pub sequence: i64,
    /// When the change was made. Decides nothing: two changes may have the same.
    pub at: OffsetDateTime,
    /// What made it: `join_community`, `leave_community`, `import`, `external`; absent where that is not recorded any more.
    pub originated_from: Option<String>,
    /// Who caused it, where a request did.
    pub caller: Option<Caller>,
    /// The request that caused it, where one did.
    pub request: Option<RequestId>,
    /// W3C trace context of that request.
    pub traceparent: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    id: Uuid,
    entity_id: Uuid,
    #[serde(deserialize_with = "at")]
    event_time: OffsetDateTime,
    originated_from: Option<String>,
    entity_event_sequence: String,
    updated_event: UpdatedEvent,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpdatedEvent {
    current_entity: Member,
}

impl MemberUpdated {
    /// Reads an event, or says what is wrong with it, without what stands there.
    pub(super) fn read(delivery: &Delivery) -> Result<Self, String> {
        let header = |name| headers::text(&delivery.properties, name);
        let site: Uuid = header("siteId").and_then(|site| site.parse().ok()).ok_or("its header `siteId` is no GUID")?;
        let body: Body = serde_json::from_slice(&delivery.data).map_err(|error| place(&error))?;
        // A number sent as text: it may be larger than a double holds.
        let sequence = body.entity_event_sequence.parse::<i64>().ok().filter(|sequence| *sequence >= 0);
        let member = body.updated_event.current_entity;
        if member.id.0 != body.entity_id {
            return Err("it names one member and shows another".to_owned());
        }
        Ok(Self {
            id: body.id,
            site: SiteId(site),
            member,
            sequence: sequence.ok_or("its sequence is no number")?,
            at: body.event_time,
            originated_from: body.originated_from,
            caller: header("identity").and_then(caller),
            request: header("requestId").and_then(RequestId::parse),
            traceparent: header(TRACEPARENT).map(str::to_owned),
        })
    }
}

/// The identity of a header; of a kind that this version does not know, it is none.
fn caller(identity: &str) -> Option<Caller> {
    let identity: serde_json::Value = serde_json::from_str(identity).ok()?;
    let identity_type = IdentityType::parse(identity.get("identityType")?.as_str()?)?;
    let id = identity.get(identity_type.id_field())?.as_str()?.parse().ok()?;
    Some(Caller { identity_type, id })
}

#[cfg(test)]
mod tests {
    use lapin::BasicProperties;
    use lapin::message::Delivery;
    use lapin::types::{AMQPValue, FieldTable, LongString};

    use super::MemberUpdated;
    use crate::wire::event::event;
    use crate::wire::sample::{SITE, change, john};
    use crate::wire::{HeaderValue, Outgoing};

    fn delivered(sent: Outgoing) -> Delivery {
        let mut headers = FieldTable::default();
        for (name, value) in sent.headers {
            let value = match value {
                HeaderValue::Text(text) => AMQPValue::LongString(LongString::from(&*text)),
                HeaderValue::Number(number) => AMQPValue::LongLongInt(number),
                HeaderValue::Flag(flag) => AMQPValue::Boolean(flag),
            };
            headers.insert((&*name).into(), value);
        }
        let key = (&*sent.routing_key).into();
        let mut delivery = Delivery::mock(1, "members.events".into(), key, false, sent.body);
        delivery.properties = BasicProperties::default().with_headers(headers);
        delivery
    }

    #[test]
    fn an_event_of_the_worker_is_read_whole() {
        let read = MemberUpdated::read(&delivered(event(&change(), "members.events").unwrap())).unwrap();
        assert_eq!((read.site, read.member.id, read.sequence), (SITE, john().id, 17));
        assert_eq!((read.at, read.originated_from.as_deref()), (john().updated_date, Some("join_community")));
        assert_eq!((read.caller, read.request), (change().caller, change().request_id));
        assert_eq!(read.traceparent.as_deref(), change().traceparent.as_deref());
    }

    #[test]
    fn what_is_wrong_with_an_event_is_told_without_what_it_holds() {
        let sound = || event(&change(), "members.events").unwrap();
        let rewrite = |from: &str, to: &str| {
            let body = String::from_utf8(sound().body).unwrap();
            assert!(body.contains(from));
            Outgoing { body: body.replacen(from, to, 1).into_bytes(), ..sound() }
        };
        for (broken, expected) in [
            (Outgoing { headers: Vec::new(), ..sound() }, "`siteId`"),
            (rewrite(r#""17""#, r#""many""#), "sequence"),
            (rewrite(r#""17""#, r#""-17""#), "sequence"),
            (rewrite("7d368843", "8d368843"), "another"),
            (rewrite(r#""loginEmail":"#, r#""loginEmail":{"a":1},"b":"#), "JSON"),
            (rewrite("{", ""), "JSON"),
        ] {
            let why = MemberUpdated::read(&delivered(broken)).unwrap_err();
            assert!(why.contains(expected) && !why.contains("johndoe"), "{why}");
        }
    }
}
