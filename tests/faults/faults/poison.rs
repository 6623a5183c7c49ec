//! Everything that makes a message no request, or a request that proves nothing, one way at a time. Apart from the faults
//! that send it, because it is a list.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, LongString};
use serde_json::json;
use uuid::Uuid;

use crate::dice::Dice;
use crate::ledger::Expected;
use crate::load::Load;

/// How many kinds there are.
pub(super) const KINDS: usize = BODIES.len() + PROPERTIES.len() + HEADERS.len();

/// Bodies: `SITE` and `ID` stand for GUIDs.
const BODIES: [&[u8]; 24] = [
    b"",
    b"{",
    b"}",
    b"[]",
    b"null",
    b"\"text\"",
    b"\0\0\0\0",
    b"\xff\xfe{}",
    b"\xef\xbb\xbf{}",
    b"{}",
    b"{}{}",
    b"{\"siteId\":1}",
    b"{\"siteId\":null}",
    b"{\"siteId\":\"\xff\"}",
    b"{\"siteId\":\"\\ud800\"}",
    b"{\"siteId\":\"not-a-guid\"}",
    b"{\"siteId\":\"SITE\",\"siteId\":\"SITE\"}",
    b"{\"siteId\":\"SITE\",\"memberId\":[\"ID\"]}",
    b"{\"siteId\":\"SITE\",\"memberId\":\"ID\",\"elevated\":\"true\"}",
    b"{\"siteId\":\"SITE\",\"memberId\":\"ID\",\"identity\":\"MEMBER\"}",
    b"{\"siteId\":\"SITE\",\"identity\":{\"identityType\":\"MEMBER\",\"memberId\":\"ID\",\"appId\":\"ID\"}}",
    b"{\"siteId\":\"SITE\",\"identity\":{\"identityType\":\"MEMBER\",\"appId\":\"ID\"}}",
    b"{\"siteId\":\"SITE\",\"identity\":{\"identityType\":\"NOBODY\",\"memberId\":\"ID\"}}",
    b"{\"siteId\":\"SITE\",\"x\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}",
];

/// Properties of a request that is sound otherwise.
const PROPERTIES: [fn(BasicProperties) -> BasicProperties; 9] = [
    |it| it.with_message_id("".into()),
    |it| it.with_message_id("a b".into()),
    |it| it.with_message_id("caf\u{e9}".into()),
    |it| it.with_message_id("x".repeat(129).into()),
    |it| it.with_type("join-community.v2".into()),
    |it| it.with_type("".into()),
    |it| it.with_content_type("text/plain".into()),
    |it| it.with_content_encoding("gzip".into()),
    |it| it.with_content_encoding("".into()),
];

/// Headers of a request that is sound otherwise, how many bytes they have, and what comes of it.
const HEADERS: [(&str, usize, Expected); 5] = [
    ("authorization", 8 * 1024 + 1, Expected::Malformed),
    ("traceparent", 513, Expected::Malformed),
    ("tracestate", 513, Expected::Malformed),
    // A token is the only proof, and this is none.
    ("authorization", 8 * 1024, Expected::Refused),
    ("authorization", 1, Expected::Refused),
];

/// Adds a message of a kind.
pub(super) fn add(load: &mut Load, kind: usize, dice: &mut Dice, site: Uuid) {
    let (kind, member, id) = (kind % KINDS, (site, dice.id()), dice.id().to_string());
    if let Some(body) = BODIES.get(kind) {
        load.add(id, member, filled(body, site, member.1), Expected::Malformed);
        return;
    }
    let identity = json!({ "identityType": "MEMBER", "memberId": member.1 });
    let body = json!({ "siteId": site, "memberId": member.1, "identity": identity }).to_string().into_bytes();
    let (kind, properties) = (kind - BODIES.len(), PROPERTIES.len());
    if let Some(change) = PROPERTIES.get(kind) {
        let request = load.add(id, member, body, Expected::Malformed);
        if let Some(message) = load.messages.last_mut() {
            message.properties = change(message.properties.clone());
            let id = message.properties.message_id().as_ref().map(ToString::to_string);
            load.ledger.requests[request].id = id.unwrap_or_default();
        }
    } else if let Some((name, size, expected)) = HEADERS.get(kind - properties) {
        load.add(id, member, body, *expected);
        if let Some(message) = load.messages.last_mut() {
            let mut headers = message.properties.headers().clone().unwrap_or_default();
            headers.insert((*name).into(), AMQPValue::LongString(LongString::from(vec![b'x'; *size])));
            message.properties = message.properties.clone().with_headers(headers);
        }
    }
}

fn filled(body: &[u8], site: Uuid, member: Uuid) -> Vec<u8> {
    match std::str::from_utf8(body) {
        Ok(text) => text.replace("SITE", &site.to_string()).replace("ID", &member.to_string()).into_bytes(),
        Err(_) => body.to_vec(),
    }
}
