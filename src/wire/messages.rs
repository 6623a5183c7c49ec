//! Holds `docs/messages.md` against the code: every JSON block there is read or written here, to the last field.
//!
//! Apart, because the page is promised to producers and consumers as a whole.

use serde_json::Value;

use super::examples::{blocks, page};
use super::request::{Claim, Malformed, decode};
use super::sample::{APP, JOHN, SITE, change, john};
use super::{HeaderValue, Incoming, event, member, profile, reply, rule, webhook};
use crate::domain::{Impossible, Rejection, Verdict};

fn block(label: &str) -> &'static str {
    let found: Vec<_> = blocks().into_iter().filter(|(known, _)| *known == label).collect();
    assert_eq!(found.len(), 1, "blocks with the label {label:?}");
    found[0].1
}

fn decoded(body: &str) -> Result<super::request::Decoded, Malformed> {
    decode(&Incoming { message_id: Some("request-1".into()), body: body.into(), ..Incoming::default() })
}

/// The text without the space that only people need.
fn squeezed(block: &str) -> String {
    let mut out = Vec::new();
    member::squeeze(block, &mut out);
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn shows(label: &str, written: &[u8]) {
    assert_eq!(squeezed(block(label)), String::from_utf8_lossy(written), "block {label:?}");
}

#[track_caller]
fn answers(label: &str, reply: &reply::Reply) {
    let shown: Value = serde_json::from_str(block(label)).unwrap();
    assert_eq!(shown, serde_json::from_slice::<Value>(&reply.body).unwrap(), "block {label:?}");
    assert!(label.starts_with(&format!("reply: {}", reply.status)), "{label} against {}", reply.status);
}

#[test]
fn every_block_is_of_a_kind_that_is_held_against_the_code() {
    let kinds = [
        "request: ",
        "malformed: ",
        "reply: ",
        "event: ",
        "webhook: ",
        "profile: ",
        "import: ",
        "export: ",
        "refused member: ",
    ];
    let labels: Vec<_> = blocks().into_iter().map(|(label, _)| label).collect();
    assert_eq!(labels.len(), page().matches("```").count() / 2, "a block is no JSON");
    for kind in kinds {
        assert!(labels.iter().any(|label| label.starts_with(kind)), "no block of kind {kind:?}");
    }
    for label in labels {
        assert!(kinds.iter().any(|kind| label.starts_with(kind)), "{label:?} is of no kind");
    }
}

#[test]
fn the_requests_shown_decode() {
    let requests = blocks().into_iter().filter(|(label, _)| label.starts_with("request: "));
    let bodies: Vec<_> = requests.map(|(label, body)| decoded(body).expect(label).body).collect();
    assert_eq!(bodies.len(), 3);
    assert!(bodies.iter().all(|body| body.site == SITE));
    assert_eq!(bodies.iter().map(|body| body.member).collect::<Vec<_>>(), [Some(JOHN), None, Some(JOHN)]);
    let caller = change().caller.map(Claim::Caller);
    let callers: Vec<_> = bodies.iter().map(|body| body.identity).collect();
    assert_eq!(callers, [caller, None, Some(Claim::Caller(APP))]);
    assert_eq!(bodies.iter().map(|body| body.elevated).collect::<Vec<_>>(), [Some(false), None, Some(true)]);
}

#[test]
fn the_malformed_requests_shown_are_refused_for_the_reason_shown() {
    for (label, body) in blocks() {
        if let Some(label) = label.strip_prefix("malformed: ") {
            let (pointer, rule) = label.split_once(' ').unwrap_or(("", label));
            let malformed = decoded(body).expect_err(label);
            assert_eq!((malformed.pointer.as_deref(), malformed.rule), (Some(pointer), rule));
        }
    }
}

#[test]
fn the_replies_shown_are_those_given() {
    let john = john();
    let rejected = |rejection| reply::verdict(Verdict::Rejected(rejection), Some(&john));
    shows("reply: 200", &reply::verdict(Verdict::Joined, Some(&john)).body);
    answers("reply: 400 malformed", &reply::malformed(&decoded("{}").unwrap_err()));
    answers("reply: 400 conflict", &reply::conflict());
    answers("reply: 401", &reply::unauthenticated("TOKEN_SIGNATURE"));
    answers("reply: 403", &rejected(Rejection::PermissionDenied));
    answers("reply: 428", &rejected(Rejection::Impossible(Impossible::SiteClosed)));
    let shown = blocks().into_iter().filter(|(label, _)| label.starts_with("reply: ")).count();
    assert_eq!(shown, 6, "a reply is shown that no line above compares");
}

#[test]
fn the_event_and_the_profile_shown_are_those_sent() {
    let event = event::event(&change(), "members.events").expect("no event");
    shows("event: body", &event.body);
    let identity = event.headers.iter().find(|(name, _)| name == "identity").map(|(_, value)| value.clone());
    assert_eq!(identity, Some(HeaderValue::Text(squeezed(block("event: identity")).into())));
    let mut written = Vec::new();
    profile::write(&john(), &mut written);
    shows("profile: member", &written);
}

#[test]
fn the_webhook_shown_is_the_one_signed() {
    // Its event is cut short on the page.
    let event = r#"{"id":"…","entityFqdn":"wix.members.v1.member",…}"#;
    let identity = squeezed(block("event: identity"));
    let account = "9a0c3b52-6a0e-4a7c-8e0b-3f1f4c1b2a77".parse().ok();
    shows("webhook: data", webhook::data(event, SITE, Some(&identity), account).as_bytes());
}

#[test]
fn the_members_shown_are_read_and_written() {
    let imported = member::parse(block("import: sdk").as_bytes()).unwrap();
    let mut written = Vec::new();
    member::write(&member::tests::recorded(imported), &mut written);
    shows("export: rest", &written);
    let invalid = member::parse(block("refused member: /status").as_bytes()).unwrap_err();
    assert_eq!(invalid.pointer, "/status");
}

#[test]
fn every_rule_and_field_that_a_malformed_request_may_name_is_on_the_page() {
    // A request whose id was used before is well-formed, and shown by itself.
    for word in rule::ALL.into_iter().filter(|word| *word != rule::REQUEST_ID_REUSED) {
        assert!(page().contains(&format!("`{word}`")), "{word}");
    }
}
