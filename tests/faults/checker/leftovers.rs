//! Nothing is on its way any more.

use super::Findings;
use super::evidence::Evidence;

pub(super) fn compare(evidence: &Evidence, findings: &mut Findings) {
    for (queue, messages) in evidence.in_transit.iter().filter(|(_, messages)| *messages > 0) {
        findings.lost(format!("{messages} messages still lie in {queue}"));
    }
    if evidence.owed > 0 {
        findings.lost(format!("{} members are still owed an announcement", evidence.owed));
    }
}
