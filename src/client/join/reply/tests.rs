//! Replies as the worker writes them, read as the client reads them; and what nobody should send.

use serde_json::json;

use super::{Code, Reply};
use crate::client::JoinError;
use crate::domain::{Impossible, Rejection, RequestId, Verdict};
use crate::wire::reply;
use crate::wire::sample::john;

fn id() -> RequestId {
    RequestId::parse("request-1").unwrap()
}

fn came(reply: reply::Reply) -> Reply {
    Reply { status: Some(reply.status.into()), body: reply.body }
}

#[test]
fn every_answer_of_the_worker_is_read_as_what_it_means() {
    for verdict in Verdict::ALL {
        let read = came(reply::verdict(verdict, Some(&john()))).read(&id());
        match read {
            Ok(member) => {
                assert_eq!(verdict.status(), 200);
                assert_eq!((member.id, member.privacy_status), (john().id, Some(john().privacy_status)));
                assert_eq!(member.profile.unwrap().slug.as_deref(), Some("johndoe"));
            }
            Err(JoinError::Refused(refusal)) => {
                assert_eq!((refusal.status, Some(refusal.code.as_str())), (verdict.status(), verdict.code()));
                assert_eq!((refusal.reason.as_deref(), &refusal.request), (verdict.reason(), &id()));
                assert!(!matches!(refusal.code, Code::Other(_)), "{:?} is not known", refusal.code);
            }
            Err(other) => panic!("{verdict:?}: {other}"),
        }
    }
}

#[test]
fn what_is_wrong_with_a_request_is_told_field_by_field() {
    let Err(JoinError::Refused(refusal)) = came(reply::conflict()).read(&id()) else { panic!("no refusal") };
    assert_eq!((refusal.status, &refusal.code), (400, &Code::InvalidArgument));
    let violations: Vec<_> = refusal.violations.iter().map(|it| (&*it.field, &*it.violated_rule)).collect();
    assert_eq!(violations, [("messageId", "REQUEST_ID_REUSED")]);
}

#[test]
fn an_answer_that_cannot_be_read_is_named_without_what_it_holds() {
    let member = json!({ "member": { "id": "jane@example.com" } }).to_string();
    let bodies = [(Some(200), member.as_str()), (Some(200), "{"), (Some(428), "{}"), (None, "{}"), (Some(500), "{}")];
    let empty = json!({ "message": "no", "details": {} }).to_string();
    for (status, body) in bodies.into_iter().chain([(Some(428), empty.as_str())]) {
        let read = Reply { status, body: body.as_bytes().to_vec() }.read(&id());
        let Err(error @ JoinError::Malformed { .. }) = read else { panic!("{body} is read as {read:?}") };
        assert!(!format!("{error} {error:?}").contains("jane"), "{error:?}");
        assert!(!error.ask_again());
    }
}

#[test]
fn a_word_that_is_not_known_yet_is_no_reason_to_stop() {
    let details = json!({ "applicationError": { "code": "NEWER", "data": { "reason": 7 }, "more": [] }, "other": 1 });
    let body = json!({ "message": "no", "details": details }).to_string().into_bytes();
    let newer = Reply { status: Some(409), body };
    let Err(JoinError::Refused(refusal)) = newer.read(&id()) else { panic!("no refusal") };
    assert_eq!((refusal.status, &refusal.code, &refusal.reason), (409, &Code::Other("NEWER".into()), &None));

    let mut success: serde_json::Value =
        serde_json::from_slice(&reply::verdict(Verdict::Joined, Some(&john())).body).unwrap();
    success["member"]["status"] = json!("ASLEEP");
    success["member"]["loyaltyTier"] = json!({ "name": "gold" });
    let member = Reply { status: Some(200), body: success.to_string().into_bytes() }.read(&id()).unwrap();
    assert_eq!((member.status, member.privacy_status.is_some()), (None, true));
    assert_eq!(member.extra["loyaltyTier"], json!({ "name": "gold" }));
}

#[test]
fn a_refusal_says_what_and_why_in_one_line() {
    let rejected = Verdict::Rejected(Rejection::Impossible(Impossible::SiteClosed));
    let Err(error) = came(reply::verdict(rejected, None)).read(&id()) else { panic!("no refusal") };
    let said = error.to_string();
    assert!(said.starts_with("refused: 428 COMMUNITY_JOIN_IMPOSSIBLE SITE_CLOSED to request request-1: "), "{said}");
}
