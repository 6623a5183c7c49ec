//! The event that announces a changed member: its body, its properties, its headers.

use serde_json::{Map, Value, json};

use super::parts::{always, instant, json_content, lower_guid, request_id, sequence, text, traceparent, word};
use super::reference;
use crate::domain::{IdentityType, Origin};
use crate::wire::event::{ENTITY, NAMESPACE, SLUG};
use crate::wire::headers::{EVENT_TYPE, TRACEPARENT};

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![("event", body()), ("event-properties", properties()), ("event-headers", headers()), ("identity", identity())]
}

fn body() -> Value {
    let origins = Origin::RECORDED.map(|origin| origin.as_str().unwrap_or_default());
    let id =
        format!("The same whenever it is sent: UUIDv5 of `<siteId>/<memberId>/<sequence>` in namespace `{NAMESPACE}`.");
    json!({
        "type": "object",
        "title": "Member updated",
        "description": "Comes at least once, only after commit; a repeat is the same to the byte. Keep the highest \
            `entityEventSequence` of each member and drop what is not above it. Ignore fields that you do not know.",
        "required": [
            "id", "entityFqdn", "slug", "entityId", "eventTime", "triggeredByAnonymizeRequest", "entityEventSequence",
            "updatedEvent",
        ],
        "properties": {
            "id": lower_guid(&id),
            "entityFqdn": always(ENTITY, "What kind of thing changed."),
            "slug": always(SLUG, "What happened to it."),
            "entityId": lower_guid("The member's id."),
            "eventTime": instant("The member's `updatedDate`."),
            "triggeredByAnonymizeRequest": { "type": "boolean", "const": false },
            "originatedFrom": word(
                &origins,
                "What changed the member: a request to join or to leave, another writer of the table, an import. Absent \
                 where that is not recorded any more.",
            ),
            "entityEventSequence": sequence("Strictly grows with every change of this member. Compare it as a number."),
            "updatedEvent": {
                "type": "object",
                "required": ["currentEntity"],
                "properties": { "currentEntity": reference("member") },
            },
        },
    })
}

fn properties() -> Value {
    json!({
        "type": "object",
        "title": "AMQP properties of an event",
        "description": "Persistent, mandatory, confirmed.",
        "required": ["message_id", "type", "content_type", "app_id", "timestamp"],
        "properties": {
            "message_id": lower_guid("The event's `id`."),
            "type": always(EVENT_TYPE, "The same as the routing key."),
            "content_type": json_content(),
            "app_id": always("join-community", "Who publishes."),
            "timestamp": { "type": "integer", "minimum": 0, "description": "`eventTime`, in seconds since 1970." },
        },
    })
}

fn headers() -> Value {
    json!({
        "type": "object",
        "title": "Headers of an event",
        "description": "CloudEvents 1.0 in binary mode, and who caused the change; the latter absent where no request did.",
        "required": [
            "cloudEvents:specversion", "cloudEvents:id", "cloudEvents:source", "cloudEvents:type", "cloudEvents:subject",
            "cloudEvents:time", "siteId",
        ],
        "properties": {
            "cloudEvents:specversion": always("1.0", "CloudEvents 1.0."),
            "cloudEvents:id": lower_guid("The event's `id`."),
            "cloudEvents:source": text("`/sites/<siteId>`."),
            "cloudEvents:type": always(EVENT_TYPE, "The event's type."),
            "cloudEvents:subject": lower_guid("The member's id."),
            "cloudEvents:time": instant("The event's `eventTime`."),
            "siteId": lower_guid("The member's site."),
            "identity": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": reference("identity"),
                "description": "Who caused the change, as JSON.",
            },
            "requestId": request_id("The request that caused the change."),
            TRACEPARENT: traceparent(),
        },
    })
}

fn identity() -> Value {
    let words = IdentityType::ALL.map(IdentityType::as_str);
    let mut properties = Map::from_iter([("identityType".to_owned(), word(&words, "What kind of identity."))]);
    for kind in IdentityType::ALL {
        properties.insert(kind.id_field().to_owned(), lower_guid(&format!("The id of a `{}`.", kind.as_str())));
    }
    let kinds = IdentityType::ALL.map(|kind| {
        json!({
            "title": kind.as_str(),
            "required": [kind.id_field()],
            "properties": { "identityType": { "const": kind.as_str() } },
        })
    });
    json!({
        "type": "object",
        "title": "Identity",
        "description": "Who caused a change: a type, and the one id that belongs to it.",
        "required": ["identityType"],
        "properties": properties,
        "oneOf": kinds,
    })
}
