//! A record stands where the verdicts have brought it, one step of the sequence a change; nobody else changed.

use super::Findings;
use super::evidence::Evidence;
use crate::ledger::Ledger;

pub(super) fn compare(ledger: &Ledger, evidence: &Evidence, findings: &mut Findings) {
    let histories = evidence.histories();
    for member in ledger.members.iter().filter(|member| !ledger.is_disturbed(&member.key)) {
        let Some(record) = evidence.members.get(&member.key) else {
            findings.lost(format!("the record of member {:?}", member.key));
            continue;
        };
        let history = histories.get(&member.key).map_or(&[][..], Vec::as_slice);
        let changes: Vec<bool> =
            history.iter().filter(|verdict| verdict.is_change()).filter_map(|verdict| verdict.says_public()).collect();
        let (key, steps, public) = (&member.key, record.sequence - member.sequence, record.is_public);
        let wanted = changes.last().copied().unwrap_or(member.is_public);
        match usize::try_from(steps) {
            Ok(steps) if steps == changes.len() && public == wanted => {}
            Ok(steps) if steps < changes.len() => {
                findings
                    .lost(format!("member {key:?} had to change {} times, and changed {steps} times", changes.len()));
            }
            Ok(_) | Err(_) => findings.unexpected(format!(
                "member {key:?}: {steps} changes, public: {public}, by {} verdicts, public: {wanted}",
                changes.len()
            )),
        }
    }
}
