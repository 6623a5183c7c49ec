//! A dead letter for what can never be handled, and for nothing else.

use super::Findings;
use super::evidence::{Evidence, Message};
use crate::ledger::{Expected, Ledger, Request};

/// Why a message became a dead letter.
pub(super) fn reason(letter: &Message) -> String {
    letter.text("x-join-community-reason")
}

/// Whether a request that had to get a verdict is a dead letter by the fault's own doing.
pub(super) fn is_excused(ledger: &Ledger, request: &Request, evidence: &Evidence) -> bool {
    let is_allowed = |letter: &&Message| {
        letter.id == request.id
            && match reason(letter).as_str() {
                "crash_loop" => ledger.allowed.crash_loops,
                "busy" => ledger.allowed.busy,
                _ => false,
            }
    };
    evidence.dead_letters.iter().any(|letter| is_allowed(&letter))
}

pub(super) fn compare(ledger: &Ledger, evidence: &Evidence, findings: &mut Findings) {
    for request in ledger.requests.iter().filter(|request| request.confirmed > 0) {
        let Some(wanted) = wanted(request.expected) else { continue };
        if !evidence.dead_letters.iter().any(|letter| letter.id == request.id && reason(letter) == wanted) {
            findings.lost(format!("request {} had to become a dead letter `{wanted}`, and there is none", request.id));
        }
    }
    let sent = ledger.by_id();
    for letter in &evidence.dead_letters {
        let (id, why) = (&letter.id, reason(letter));
        let requests = sent.get(id.as_str()).map_or(&[][..], Vec::as_slice);
        let is_wanted = requests.iter().any(|request| wanted(request.expected) == Some(why.as_str()));
        let is_excused = requests.iter().any(|request| is_excused(ledger, request, evidence));
        if requests.is_empty() {
            findings.unexpected(format!("dead letter {id} (`{why}`), which nobody sent"));
        } else if !is_wanted && !is_excused {
            findings.unexpected(format!("request {id} became a dead letter `{why}`"));
        }
        let has_verdict = evidence.verdicts.iter().any(|verdict| verdict.id == *id);
        // Killed twice between its commit and its ack, a request has its verdict, and nobody has read that.
        if has_verdict && is_excused && !is_wanted && why != "crash_loop" {
            findings.duplicated(format!("request {id} has a verdict, and is a dead letter `{why}`"));
        }
    }
}

fn wanted(expected: Expected) -> Option<&'static str> {
    match expected {
        Expected::Malformed => Some("malformed"),
        Expected::Conflict => Some("conflict"),
        Expected::CrashLoop => Some("crash_loop"),
        Expected::Joined | Expected::Left | Expected::Rejected(_) | Expected::Any | Expected::Refused => None,
    }
}
