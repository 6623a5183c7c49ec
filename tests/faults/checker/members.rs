//! Who had to join is public, by one step of the sequence; nobody else changed.

use super::Findings;
use super::evidence::Evidence;
use super::verdicts::excused;
use crate::ledger::Ledger;

pub(super) fn compare(ledger: &Ledger, evidence: &Evidence, findings: &mut Findings) {
    for member in ledger.members.iter().filter(|member| !ledger.is_disturbed(&member.key)) {
        let Some(record) = evidence.members.get(&member.key) else {
            findings.lost(format!("the record of member {:?}", member.key));
            continue;
        };
        let steps = record.sequence - member.sequence;
        let (key, public) = (&member.key, record.is_public);
        match (member.joins, steps, public) {
            (true, 1, true) | (false, 0, false) => {}
            (true, 0, false) if excused(ledger, key, evidence) => {}
            (true, 0, false) => findings.lost(format!("member {key:?} had to join, and did not")),
            (true, 2.., true) => findings.duplicated(format!("the record of member {key:?} changed {steps} times")),
            (_, _, _) => findings.unexpected(format!("member {key:?}: {steps} changes, public: {public}")),
        }
    }
}
