//! A reply says what is on record. It may be lost and it may come twice, but it never lies.

use super::Findings;
use super::evidence::{Evidence, Message, Verdict};
use crate::ledger::{Expected, Ledger, Request};

pub(super) fn compare(ledger: &Ledger, evidence: &Evidence, findings: &mut Findings) {
    let sent = ledger.by_id();
    for reply in &evidence.replies {
        let requests = sent.get(reply.correlation.as_str()).map_or(&[][..], Vec::as_slice);
        let Some(status) = status(reply) else {
            findings.unexpected(format!("a reply to {} without a status", reply.correlation));
            continue;
        };
        if !requests.iter().any(|request| agrees(request, status, reply, evidence)) {
            let expected: Vec<_> = requests.iter().map(|request| request.expected).collect();
            findings.unexpected(format!("a reply {status} to {}, where {expected:?}", reply.correlation));
        }
    }
}

fn agrees(request: &Request, status: i64, reply: &Message, evidence: &Evidence) -> bool {
    match request.expected {
        Expected::Malformed | Expected::Conflict => status == 400,
        Expected::Refused => status == 401,
        Expected::CrashLoop => false,
        Expected::Joined | Expected::Left | Expected::Rejected(_) | Expected::Any => {
            let recorded = evidence.verdicts.iter().find(|verdict| verdict.id == request.id);
            // Only what is on record is ever answered.
            recorded.is_some_and(|verdict| tells(verdict, request, status, reply))
        }
    }
}

fn tells(verdict: &Verdict, request: &Request, status: i64, reply: &Message) -> bool {
    let body = reply.json();
    if verdict.says_public().is_some() {
        // A repeated request whose member is gone is answered so.
        let gone = request.expected == Expected::Any && status == 404;
        return gone || (status == 200 && body["member"]["id"] == request.member.1.to_string());
    }
    let error = &body["details"]["applicationError"];
    let reason = error["data"]["reason"].as_str();
    let wanted = match request.expected {
        Expected::Rejected(rejection) => Some(rejection.status()),
        Expected::Joined
        | Expected::Left
        | Expected::Any
        | Expected::Malformed
        | Expected::Conflict
        | Expected::Refused
        | Expected::CrashLoop => None,
    };
    error["code"].as_str() == verdict.code.as_deref()
        && (verdict.reason.is_none() || reason == verdict.reason.as_deref())
        && wanted.is_none_or(|wanted| wanted == status)
}

fn status(reply: &Message) -> Option<i64> {
    let status = reply.headers.get("status")?;
    status.as_long_long_int().or_else(|| status.as_long_int().map(i64::from))
}
