//! Every request has exactly one verdict, and the right one; nobody else has any.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::{Evidence, Verdict};
use super::{Findings, dead_letters};
use crate::ledger::{Expected, Key, Ledger, Request};

pub(super) fn compare(ledger: &Ledger, evidence: &Evidence, findings: &mut Findings) {
    let mut recorded: BTreeMap<(&str, &str), Vec<&Verdict>> = BTreeMap::new();
    for verdict in &evidence.verdicts {
        recorded.entry((&verdict.id, &verdict.requester)).or_default().push(verdict);
    }
    for request in ledger.requests.iter().filter(|request| request.confirmed > 0) {
        let found = recorded.get(&(request.id.as_str(), request.requester.as_str())).map_or(&[][..], Vec::as_slice);
        one(ledger, request, found, evidence, findings);
    }
    let known: BTreeSet<(&str, &str)> =
        ledger.requests.iter().map(|request| (request.id.as_str(), request.requester.as_str())).collect();
    for (id, requester) in recorded.keys().filter(|key| !known.contains(*key)) {
        findings.unexpected(format!("a verdict for request {id} of {requester}, which nobody sent"));
    }
    changes_follow_each_other(ledger, evidence, findings);
}

fn one(ledger: &Ledger, request: &Request, found: &[&Verdict], evidence: &Evidence, findings: &mut Findings) {
    let id = &request.id;
    let wanted = match request.expected {
        Expected::Joined | Expected::Left | Expected::Rejected(_) | Expected::Any => true,
        // The verdict under this id is the first request's.
        Expected::Conflict => return,
        Expected::Malformed | Expected::Refused | Expected::CrashLoop => false,
    };
    if !wanted {
        if let Some(verdict) = found.first() {
            findings.unexpected(format!("request {id} had to get no verdict, and got {}", verdict.outcome));
        }
        return;
    }
    match found {
        [] if dead_letters::is_excused(ledger, request, evidence) => {}
        [] => findings.lost(format!("request {id} for member {:?} has no verdict", request.member)),
        [verdict] => right(request, verdict, findings),
        [_, _, ..] => findings.duplicated(format!("request {id} has {} verdicts", found.len())),
    }
}

fn right(request: &Request, verdict: &Verdict, findings: &mut Findings) {
    let is_right = match request.expected {
        Expected::Joined => verdict.says_public() == Some(true),
        Expected::Left => verdict.says_public() == Some(false),
        Expected::Rejected(rejection) => {
            let (code, reason) = rejection.words();
            verdict.outcome == "rejected"
                && verdict.code.as_deref() == Some(code)
                && verdict.reason.as_deref() == reason
        }
        Expected::Any | Expected::Conflict | Expected::Malformed | Expected::Refused | Expected::CrashLoop => true,
    };
    let expected = request.expected;
    if !is_right || verdict.site != request.member.0 || verdict.member.is_some_and(|member| member != request.member.1)
    {
        findings.unexpected(format!("request {} had to end as {expected:?}, and ended as {verdict:?}", request.id));
    }
}

/// Each change of a member whom nobody else touched is to the other state, at the next sequence; and whoever changed nothing
/// was told how the member stood at that sequence.
fn changes_follow_each_other(ledger: &Ledger, evidence: &Evidence, findings: &mut Findings) {
    let histories = evidence.histories();
    for member in ledger.members.iter().filter(|member| !ledger.is_disturbed(&member.key)) {
        let (key, mut sequence, mut is_public) = (&member.key, member.sequence, member.is_public);
        for verdict in histories.get(key).map_or(&[][..], Vec::as_slice) {
            let (what, at) = (&verdict.outcome, verdict.sequence);
            let says_public = verdict.says_public() == Some(true);
            if !verdict.is_change() {
                if (at, says_public) != (Some(sequence), is_public) {
                    let is = format!("public: {is_public} at {sequence}");
                    findings.unexpected(format!("member {key:?} `{what}` at {at:?}, where they were {is}"));
                }
            } else if (at, says_public) == (Some(sequence + 1), !is_public) {
                (sequence, is_public) = (sequence + 1, says_public);
            } else if says_public == is_public || at <= Some(sequence) {
                findings.duplicated(format!("member {key:?} `{what}` at {at:?}, and before at {sequence}"));
            } else {
                findings.unexpected(format!("member {key:?} `{what}` at {at:?}, right after {sequence}"));
            }
        }
    }
}

/// Whether all requests for a member are excused from a verdict.
pub(super) fn excused(ledger: &Ledger, key: &Key, evidence: &Evidence) -> bool {
    let mut for_it = ledger.requests.iter().filter(|request| request.member == *key);
    for_it.all(|request| dead_letters::is_excused(ledger, request, evidence))
}
