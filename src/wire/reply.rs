//! Replies: what the sender of a request is told, in the shape of the Members API's own answers.
//!
//! Apart, because these words leave for strangers: no reply but a success holds a member's data.

use serde_json::{Value, json};

use super::headers::{TRACEPARENT, reply_type};
use super::pen::Object;
use super::request::Malformed;
use super::{HeaderValue, Outgoing, member, rule};
use crate::domain::{Impossible, Member, Method, Rejection, Verdict};

/// An answer: a status and a JSON body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status, as HTTP counts them.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// The answer to a decided request. A success shows the member; one who is gone since is not found.
#[must_use]
pub fn verdict(verdict: Verdict, member: Option<&Member>) -> Reply {
    match (verdict, member.filter(|member| !member.deleted)) {
        (Verdict::Rejected(reason), _) => rejection(reason),
        (Verdict::Joined | Verdict::AlreadyJoined | Verdict::Left | Verdict::AlreadyLeft, member) => {
            member.map_or_else(|| rejection(Rejection::NotFound), success)
        }
    }
}

/// The answer to what is no request.
#[must_use]
pub fn malformed(malformed: &Malformed) -> Reply {
    violation(&malformed.field, malformed.rule, &malformed.description)
}

/// The answer to a request whose id was used for another one.
#[must_use]
pub fn conflict() -> Reply {
    violation("messageId", rule::REQUEST_ID_REUSED, "was used for another request: give every request an id of its own")
}

/// The answer to a request whose caller is not proven. `reason` is a word of ours, such as `TOKEN_SIGNATURE`.
#[must_use]
pub fn unauthenticated(reason: &str) -> Reply {
    let remedy = "Send a valid session token in the header `authorization`, or publish as a trusted producer.";
    error(401, "UNAUTHENTICATED", ["The caller could not be authenticated.", remedy], Some(reason))
}

/// The message that carries a reply: through the default exchange, to be lost rather than waited for.
#[must_use]
pub fn outgoing(
    reply: Reply,
    method: Method,
    reply_to: &str,
    correlation_id: Option<&str>,
    traceparent: Option<&str>,
) -> Outgoing {
    let mut headers = vec![("status".into(), HeaderValue::Number(reply.status.into()))];
    if let Some(traceparent) = traceparent {
        headers.push((TRACEPARENT.into(), HeaderValue::Text(traceparent.to_owned().into())));
    }
    Outgoing {
        routing_key: reply_to.to_owned().into(),
        kind: Some(reply_type(method).into()),
        content_type: Some("application/json".into()),
        correlation_id: correlation_id.map(Into::into),
        headers,
        body: reply.body,
        ..Outgoing::default()
    }
}

fn success(member: &Member) -> Reply {
    let mut body = Vec::with_capacity(1024);
    let mut object = Object::open(&mut body);
    member::write(member, object.value("member"));
    object.close();
    Reply { status: 200, body }
}

fn rejection(rejection: Rejection) -> Reply {
    let verdict = Verdict::Rejected(rejection);
    error(verdict.status(), verdict.code().unwrap_or_default(), words(rejection), verdict.reason())
}

/// What happened, and what to do about it.
const fn words(rejection: Rejection) -> [&'static str; 2] {
    match rejection {
        Rejection::Expired => [
            "The session token had expired before the request was processed.",
            "Send the request again with a fresh token and a new request id.",
        ],
        Rejection::PermissionDenied => [
            "The caller may not act for this member.",
            "Call as the member, or with elevated permission: `MEMBERS.MEMBER_JOIN_COMMUNITY` in the token, \
             or a producer that may elevate, and `\"elevated\": true`.",
        ],
        Rejection::NotFound => {
            ["The site has no such member.", "Check `siteId` and `memberId`; a member who was deleted stays so."]
        }
        Rejection::Impossible(Impossible::SiteClosed) => [
            "The site lets no member have a public profile.",
            "Once the site's `publicMemberCandidates` is `ANYONE`, send the request with a new request id.",
        ],
        Rejection::Impossible(Impossible::Pending) => [
            "The member still waits for approval.",
            "Once the member is approved, send the request with a new request id.",
        ],
        Rejection::Impossible(Impossible::Blocked) => [
            "The member is blocked.",
            "Once the site has approved the member again, send the request with a new request id.",
        ],
        Rejection::Impossible(Impossible::Offline) => [
            "The member is offline and cannot log in any more.",
            "This is final: the person has to sign up again as a new member.",
        ],
    }
}

fn error(status: u16, code: &str, [message, description]: [&str; 2], reason: Option<&str>) -> Reply {
    let data = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
    let details = json!({ "applicationError": { "code": code, "description": description, "data": data } });
    envelope(status, message, &details)
}

fn violation(field: &str, rule: &str, description: &str) -> Reply {
    let violations = json!([{ "field": field, "description": description, "violatedRule": rule }]);
    let details = json!({ "validationError": { "fieldViolations": violations } });
    envelope(400, &format!("INVALID_ARGUMENT: {field} {description}"), &details)
}

fn envelope(status: u16, message: &str, details: &Value) -> Reply {
    Reply { status, body: json!({ "message": message, "details": details }).to_string().into_bytes() }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::sample::john;
    use super::{HeaderValue, Outgoing, Reply, conflict, outgoing, unauthenticated, verdict};
    use crate::domain::{Member, Method, Rejection, Verdict};

    fn body(reply: &Reply) -> Value {
        serde_json::from_slice(&reply.body).unwrap()
    }

    #[test]
    fn every_rejection_is_told_with_status_code_reason_and_remedy_and_without_the_member() {
        for rejected in Verdict::ALL.into_iter().filter(|verdict| matches!(verdict, Verdict::Rejected(_))) {
            let reply = verdict(rejected, Some(&john()));
            let told = body(&reply);
            let error = &told["details"]["applicationError"];
            assert_eq!(reply.status, rejected.status());
            assert_eq!(error["code"].as_str(), rejected.code());
            assert_eq!(error["data"]["reason"].as_str(), rejected.reason());
            assert!(error["data"].is_object());
            assert!(
                [&told["message"], &error["description"]]
                    .iter()
                    .all(|text| text.as_str().is_some_and(|it| it.len() > 9))
            );
            assert!(!told.to_string().contains("john"), "{told}");
        }
    }

    #[test]
    fn a_success_shows_the_member_as_it_is_now_and_one_who_is_gone_is_not_found() {
        for success in [Verdict::Joined, Verdict::AlreadyJoined, Verdict::Left, Verdict::AlreadyLeft] {
            let reply = verdict(success, Some(&john()));
            assert_eq!((reply.status, &body(&reply)["member"]["profile"]["slug"]), (200, &Value::from("johndoe")));
            let not_found = verdict(Verdict::Rejected(Rejection::NotFound), None);
            let tombstone = Member { deleted: true, ..john() };
            assert_eq!((verdict(success, None), verdict(success, Some(&tombstone))), (not_found.clone(), not_found));
        }
    }

    #[test]
    fn a_reply_goes_straight_to_its_queue_and_is_not_kept() {
        let trace = super::super::sample::TRACEPARENT;
        let refused = unauthenticated("NO_PROOF");
        let sent = outgoing(refused, Method::Join, "amq.rabbitmq.reply-to.x", Some("c-1"), Some(trace));
        let expected = Outgoing {
            routing_key: "amq.rabbitmq.reply-to.x".into(),
            kind: Some("join-community.v1.response".into()),
            content_type: Some("application/json".into()),
            correlation_id: Some("c-1".into()),
            headers: vec![
                ("status".into(), HeaderValue::Number(401)),
                ("traceparent".into(), HeaderValue::Text(trace.into())),
            ],
            body: unauthenticated("NO_PROOF").body,
            ..Outgoing::default()
        };
        assert_eq!(sent, expected);
        assert!(sent.exchange.is_empty() && !sent.persistent);
        let to_leave = outgoing(conflict(), Method::Leave, "q", None, None);
        assert_eq!(to_leave.headers, [("status".into(), HeaderValue::Number(400))]);
        assert_eq!(to_leave.kind.as_deref(), Some("leave-community.v1.response"));
    }
}
