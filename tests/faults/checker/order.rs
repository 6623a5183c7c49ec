//! What had to be decided in the order of its sending was; and whose requests all had to be stands as the last of them asked.

use std::collections::HashMap;

use super::Findings;
use super::evidence::{Evidence, Verdict};
use crate::ledger::{Expected, Ledger, Request};

pub(super) fn compare(ledger: &Ledger, evidence: &Evidence, findings: &mut Findings) {
    let verdicts: HashMap<&str, &Verdict> =
        evidence.verdicts.iter().map(|verdict| (verdict.id.as_str(), verdict)).collect();
    for places in &ledger.in_order {
        let requests: Vec<&Request> = places.iter().filter_map(|place| ledger.requests.get(*place)).collect();
        // When each was decided, by the member's sequence; of one sequence the change first. Who has none is lost, and told so.
        let decided = |request: &Request| {
            let verdict = verdicts.get(request.id.as_str())?;
            Some((verdict.sequence, !verdict.is_change()))
        };
        for pair in requests.windows(2) {
            if let &[before, after] = pair
                && let (Some(first), Some(second)) = (decided(before), decided(after))
                && first > second
            {
                let (member, before, after) = (before.member, &before.id, &after.id);
                findings.unexpected(format!("member {member:?}: request {after} overtook {before}, sent before it"));
            }
        }
        if let Some(last) = requests.last() {
            stands_as_asked(last, requests.len(), ledger, evidence, findings);
        }
    }
}

/// Whether a member stands as the last request asked, if so many are all there were.
fn stands_as_asked(last: &Request, count: usize, ledger: &Ledger, evidence: &Evidence, findings: &mut Findings) {
    let of_member = ledger.requests.iter().filter(|request| request.member == last.member && request.confirmed > 0);
    let Some(record) = evidence.members.get(&last.member) else { return };
    let wanted = last.expected == Expected::Joined;
    if of_member.count() == count && record.is_public != wanted {
        let (member, is) = (last.member, record.is_public);
        findings.unexpected(format!("member {member:?} is public: {is}, and asked last for the other by {}", last.id));
    }
}
