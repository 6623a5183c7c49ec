//! What a request is sent as, and what is refused before it is.

use lapin::types::ShortString;
use uuid::Uuid;

use super::super::super::error::Unsent;
use super::super::super::headers::text;
use super::{JoinRequest, LeaveRequest};
use crate::domain::{MemberId, RequestId, SiteId};
use crate::wire::request::{MAX_AUTHORIZATION, MAX_TRACE};

#[test]
fn a_token_takes_the_place_of_the_brokers_word() {
    let (site, user) = (SiteId(Uuid::nil()), ShortString::from("shop"));
    let vouched = JoinRequest::member(site, MemberId(Uuid::nil())).properties(&user, Uuid::nil()).unwrap();
    assert_eq!(vouched.user_id().as_ref(), Some(&user));
    let by_token = JoinRequest::bearer(site, "x.y.z").properties(&user, Uuid::nil()).unwrap();
    assert_eq!(by_token.user_id().as_ref(), None);
}

#[test]
fn the_bearer_of_a_token_may_ask_without_what_it_permits() {
    let bearer = JoinRequest::bearer(SiteId(Uuid::nil()), "x.y.z");
    let body = |request: JoinRequest| String::from_utf8(request.body()).unwrap();
    assert!(!body(bearer.clone()).contains("elevated"));
    assert!(body(bearer.not_elevated()).contains(r#""elevated":false"#));
}

#[test]
fn both_parts_of_a_trace_go_along() {
    let request = JoinRequest::bearer(SiteId(Uuid::nil()), "x.y.z").traceparent("00-a").tracestate("rojo=1");
    let properties = request.properties(&"shop".into(), Uuid::nil()).unwrap();
    assert_eq!(["traceparent", "tracestate"].map(|name| text(&properties, name)), [Some("00-a"), Some("rojo=1")]);
    let endless = request.tracestate(&"x".repeat(MAX_TRACE + 1)).properties(&"shop".into(), Uuid::nil());
    assert!(matches!(endless, Err(Unsent::TooLong { part: "tracestate", .. })), "{endless:?}");
}

#[test]
fn a_request_to_leave_differs_from_one_to_join_in_its_type_and_its_key_alone() {
    let (site, member, user) = (SiteId(Uuid::nil()), MemberId(Uuid::nil()), ShortString::from("shop"));
    let id = RequestId::parse("request-1").unwrap();
    let join = JoinRequest::member(site, member).with_id(id.clone());
    let leave = LeaveRequest::member(site, member).with_id(id);
    let joining = join.properties(&user, Uuid::nil()).unwrap();
    let leaving = leave.properties(&user, Uuid::nil()).unwrap();
    let kinds = [&joining, &leaving].map(|properties| properties.kind().as_ref().map(ShortString::as_str));
    assert_eq!(kinds, [Some("join-community.v1"), Some("leave-community.v1")]);
    assert_eq!([JoinRequest::key(), LeaveRequest::key()], ["request", "leave"]);
    assert_eq!(leaving.with_type("join-community.v1".into()), joining);
    assert_eq!(join.body(), leave.body());
}

#[test]
fn a_token_that_is_too_long_is_refused_before_it_can_end_the_connection() {
    let request = JoinRequest::bearer(SiteId(Uuid::nil()), &"x".repeat(MAX_AUTHORIZATION - "Bearer ".len() + 1));
    let refused = request.properties(&"shop".into(), Uuid::nil());
    assert!(matches!(refused, Err(Unsent::TooLong { part: "authorization", .. })), "{refused:?}");
}
