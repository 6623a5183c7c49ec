//! The event that announces a changed member, in the shape that consumers of *Member Updated* already parse.
//!
//! Apart, because its bytes must be the same each time it is sent: they are built from the change alone.

use std::borrow::Cow;

use time::OffsetDateTime;
use uuid::{Uuid, uuid};

use super::headers::{EVENT_TYPE, IDENTITY, SITE_ID, SUBJECT, TRACEPARENT};
use super::pen::Object;
use super::{HeaderValue, Outgoing, instant, member, request};
use crate::domain::{Change, Member, MemberId, SiteId};

/// Namespace of event ids.
pub const NAMESPACE: Uuid = uuid!("0c5b2f0e-6d2c-5f6e-9b1d-3a7c4e8f1a20");
/// `entityFqdn` of an event: what kind of thing changed.
pub const ENTITY: &str = "wix.members.v1.member";
/// `slug` of an event: what happened to it.
pub const SLUG: &str = "updated";
/// What an event needs beside the JSON of contact, profile and extra: sizes the buffer once.
const TYPICAL_SIZE: usize = 1024;

/// The id of the event that announces a member's change: the same whenever it is sent.
#[must_use]
pub fn event_id(site: SiteId, member: MemberId, event_sequence: i64) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{site}/{member}/{event_sequence}").as_bytes())
}

/// The event for a change, to be sent to `exchange`. A member who is gone owes none.
#[must_use]
pub fn event(change: &Change, exchange: &str) -> Option<Outgoing> {
    let member = change.member.as_ref().filter(|member| !member.deleted)?;
    let id = event_id(change.site, change.member_id, change.event_sequence).to_string();
    Some(Outgoing {
        exchange: exchange.to_owned().into(),
        routing_key: EVENT_TYPE.into(),
        kind: Some(EVENT_TYPE.into()),
        content_type: Some("application/json".into()),
        app_id: Some("join-community".into()),
        timestamp: Some(seconds(member.updated_date)),
        persistent: true,
        headers: headers(change, member, &id),
        body: body(change, member, &id),
        message_id: Some(id.into()),
        ..Outgoing::default()
    })
}

fn body(change: &Change, member: &Member, id: &str) -> Vec<u8> {
    let passed_through = [&member.contact, &member.profile, &member.extra].into_iter().flatten();
    let mut out = Vec::with_capacity(TYPICAL_SIZE + passed_through.map(|json| json.0.len()).sum::<usize>());
    let mut event = Object::open(&mut out);
    event.word("id", id);
    event.word("entityFqdn", ENTITY);
    event.word("slug", SLUG);
    event.guid("entityId", change.member_id.0);
    event.instant("eventTime", member.updated_date);
    event.flag("triggeredByAnonymizeRequest", false);
    if let Some(origin) = change.origin.as_str() {
        event.word("originatedFrom", origin);
    }
    event.word("entityEventSequence", &change.event_sequence.to_string());
    let mut updated = Object::open(event.value("updatedEvent"));
    member::write(member, updated.value("currentEntity"));
    updated.close();
    event.close();
    out
}

/// CloudEvents 1.0 in binary mode, and what the Members API says beside an event.
fn headers(change: &Change, member: &Member, id: &str) -> Vec<(Cow<'static, str>, HeaderValue)> {
    let mut headers = vec![
        ("cloudEvents:specversion", HeaderValue::Text("1.0".into())),
        ("cloudEvents:id", HeaderValue::Text(id.to_owned().into())),
        ("cloudEvents:source", HeaderValue::Text(format!("/sites/{}", change.site).into())),
        ("cloudEvents:type", HeaderValue::Text(EVENT_TYPE.into())),
        (SUBJECT, HeaderValue::Text(change.member_id.to_string().into())),
        ("cloudEvents:time", HeaderValue::Text(instant::text(member.updated_date).into())),
        (SITE_ID, HeaderValue::Text(change.site.to_string().into())),
    ];
    if let Some(caller) = change.caller {
        headers.push((IDENTITY, HeaderValue::Text(request::identity(caller).into())));
    }
    if let Some(request_id) = &change.request_id {
        headers.push(("requestId", HeaderValue::Text(request_id.to_string().into())));
    }
    if let Some(traceparent) = &change.traceparent {
        headers.push((TRACEPARENT, HeaderValue::Text(traceparent.to_string().into())));
    }
    headers.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

/// Seconds since 1970; a member last changed before has none to show.
fn seconds(at: OffsetDateTime) -> u64 {
    at.unix_timestamp().try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{APP, JOHN, SITE, TRACEPARENT, change, john};
    use super::{Change, HeaderValue, Member, event, event_id};
    use crate::domain::Origin;

    const ID: &str = "7c13919d-f80e-516f-a217-756d2539abf5";

    fn text(text: &'static str) -> HeaderValue {
        HeaderValue::Text(text.into())
    }

    #[test]
    fn the_id_is_that_of_site_member_and_sequence() {
        assert_eq!(event_id(SITE, JOHN, 17).to_string(), ID);
        assert_ne!(event_id(SITE, JOHN, 18), event_id(SITE, JOHN, 17));
    }

    #[test]
    fn an_event_says_what_changed_who_caused_it_and_where_it_belongs() {
        let event = event(&change(), "blue.members.events").expect("no event");
        assert_eq!((&*event.exchange, &*event.routing_key), ("blue.members.events", "wix.members.v1.member_updated"));
        assert_eq!(event.kind.as_deref(), Some("wix.members.v1.member_updated"));
        assert_eq!(event.content_type.as_deref(), Some("application/json"));
        assert_eq!((event.message_id.as_deref(), event.app_id.as_deref()), (Some(ID), Some("join-community")));
        assert_eq!((event.timestamp, event.persistent), (Some(1_795_514_400), true));
        let expected = [
            ("cloudEvents:specversion", text("1.0")),
            ("cloudEvents:id", text(ID)),
            ("cloudEvents:source", text("/sites/6b0e7f1a-8c0d-4f3e-9a57-2d1c4b5e6f70")),
            ("cloudEvents:type", text("wix.members.v1.member_updated")),
            ("cloudEvents:subject", text("7d368843-6f0c-4037-8d0e-b7e36a8a0c32")),
            ("cloudEvents:time", text("2026-11-24T10:00:00.123Z")),
            ("siteId", text("6b0e7f1a-8c0d-4f3e-9a57-2d1c4b5e6f70")),
            ("identity", text(r#"{"identityType":"MEMBER","memberId":"7d368843-6f0c-4037-8d0e-b7e36a8a0c32"}"#)),
            ("requestId", text("request-1")),
            ("traceparent", text(TRACEPARENT)),
        ];
        assert_eq!(event.headers, expected.map(|(name, value)| (name.into(), value)));
    }

    #[test]
    fn a_change_that_no_request_made_names_no_request() {
        let external =
            Change { origin: Origin::External, caller: None, request_id: None, traceparent: None, ..change() };
        let event = event(&external, "members.events").expect("no event");
        assert!(event.headers.iter().all(|(name, _)| !["identity", "requestId", "traceparent"].contains(&&**name)));
        assert!(String::from_utf8_lossy(&event.body).contains(r#""originatedFrom":"external""#));
    }

    #[test]
    fn what_caused_a_change_is_left_out_where_nobody_knows_it_any_more() {
        let unrecorded =
            Change { origin: Origin::Unrecorded, caller: None, request_id: None, traceparent: None, ..change() };
        let (again, first) =
            (event(&unrecorded, "members.events").unwrap(), event(&change(), "members.events").unwrap());
        let (again_body, first_body) = (String::from_utf8(again.body).unwrap(), String::from_utf8(first.body).unwrap());
        assert_eq!(again_body, first_body.replace(r#""originatedFrom":"join_community","#, ""));
        assert_eq!((again.message_id, again.timestamp), (first.message_id, first.timestamp));
    }

    #[test]
    fn an_elevated_join_names_who_acted_and_not_the_member() {
        let elevated = Change { caller: Some(APP), ..change() };
        let identity = text(r#"{"identityType":"APP","appId":"14bcded7-0066-7c35-14d7-466cb3f09103"}"#);
        let event = event(&elevated, "members.events").expect("no event");
        assert!(event.headers.contains(&("identity".into(), identity)));
    }

    #[test]
    fn the_same_change_is_announced_in_the_same_bytes() {
        assert_eq!(event(&change(), "members.events"), event(&change(), "members.events"));
    }

    #[test]
    fn a_member_who_is_gone_owes_no_event() {
        assert_eq!(event(&Change { member: None, ..change() }, "members.events"), None);
        let tombstone = Member { deleted: true, ..john() };
        assert_eq!(event(&Change { member: Some(tombstone), ..change() }, "members.events"), None);
    }
}
