//! The event that announces a changed member, in the shape that consumers of *Member Updated* already parse.
//!
//! Apart, because its bytes must be the same each time it is sent: they are built from the change alone.

use std::borrow::Cow;

use time::OffsetDateTime;
use uuid::{Uuid, uuid};

use super::headers::{EVENT_TYPE, TRACEPARENT};
use super::pen::Object;
use super::{HeaderValue, Outgoing, instant, member, request};
use crate::domain::{Change, Member, MemberId, SiteId};

/// Namespace of event ids.
const NAMESPACE: Uuid = uuid!("0c5b2f0e-6d2c-5f6e-9b1d-3a7c4e8f1a20");
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
    event.word("entityFqdn", "wix.members.v1.member");
    event.word("slug", "updated");
    event.guid("entityId", change.member_id.0);
    event.instant("eventTime", member.updated_date);
    event.flag("triggeredByAnonymizeRequest", false);
    event.word("originatedFrom", change.origin.as_str());
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
        ("cloudEvents:subject", HeaderValue::Text(change.member_id.to_string().into())),
        ("cloudEvents:time", HeaderValue::Text(instant::text(member.updated_date).into())),
        ("siteId", HeaderValue::Text(change.site.to_string().into())),
    ];
    if let Some(caller) = change.caller {
        headers.push(("identity", HeaderValue::Text(request::identity(caller).into())));
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
