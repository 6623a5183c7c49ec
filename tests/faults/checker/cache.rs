//! An entry is the record's newest state. There may be none only where nobody wrote, or the cache was emptied.

use serde_json::Value;

use super::Findings;
use super::evidence::Evidence;
use crate::ledger::Ledger;

pub(super) fn compare(ledger: &Ledger, evidence: &Evidence, findings: &mut Findings) {
    for (key, entry) in &evidence.entries {
        let Some(record) = evidence.members.get(key) else {
            findings.unexpected(format!("a cache entry of member {key:?}, who does not exist"));
            continue;
        };
        let sequence = entry.get("sequence").and_then(|text| text.parse::<i64>().ok());
        if sequence != Some(record.sequence) {
            let found = entry.get("sequence");
            findings
                .unexpected(format!("the cache holds member {key:?} at {found:?}, the record is {}", record.sequence));
            continue;
        }
        let profile: Option<Value> = entry.get("member").map(|text| serde_json::from_str(text).unwrap_or(Value::Null));
        match profile {
            Some(profile) if record.is_public => {
                let is_it = profile["id"] == key.1.to_string()
                    && profile["privacyStatus"] == "PUBLIC"
                    && profile["profile"]["nickname"].as_str() == record.nickname.as_deref();
                if !is_it {
                    findings.unexpected(format!("the cache tells something else of member {key:?} than the record"));
                }
                if ["loginEmail", "contact", "loginEmailVerified"].iter().any(|field| profile.get(field).is_some()) {
                    findings.unexpected(format!("the cache tells private data of member {key:?}"));
                }
            }
            Some(_) => findings.unexpected(format!("the cache shows member {key:?}, who is not public")),
            None if record.is_public => {
                findings.unexpected(format!("the cache holds a tombstone of member {key:?}, who is public"));
            }
            None => {}
        }
    }
    if ledger.allowed.forgotten_cache {
        return;
    }
    for member in &ledger.members {
        let Some(record) = evidence.members.get(&member.key) else { continue };
        if record.sequence > member.sequence && !evidence.entries.contains_key(&member.key) {
            findings.lost(format!("the cache entry of member {:?} at {}", member.key, record.sequence));
        }
    }
}
