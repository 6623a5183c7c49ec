//! A change has at least one event, always the same; an event tells of a change that was committed.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use uuid::Uuid;

use super::Findings;
use super::evidence::{Evidence, Message};
use super::verdicts::excused;
use crate::ledger::{Key, Ledger};

/// What an event says of a member, at one sequence.
#[derive(Debug)]
struct Told<'a> {
    event: &'a Message,
    is_public: bool,
}

pub(super) fn compare(ledger: &Ledger, evidence: &Evidence, findings: &mut Findings) {
    let mut told: BTreeMap<Key, BTreeMap<i64, Told>> = BTreeMap::new();
    let mut owners: HashMap<&str, (Key, i64)> = HashMap::new();
    for event in &evidence.events {
        let Some((key, sequence, entity)) = read(event) else {
            findings.unexpected(format!("an event that cannot be read: {}", event.id));
            continue;
        };
        let is_public = entity["privacyStatus"] == "PUBLIC" && entity["status"] == "APPROVED";
        match told.entry(key).or_default().get(&sequence) {
            Some(first) if first.event.id != event.id || first.event.body != event.body => {
                findings.duplicated(format!("member {key:?} is announced in two ways at {sequence}"));
            }
            Some(_) => {}
            None => {
                told.entry(key).or_default().insert(sequence, Told { event, is_public });
            }
        }
        if *owners.entry(&event.id).or_insert((key, sequence)) != (key, sequence) {
            findings.duplicated(format!("event id {} stands for two changes", event.id));
        }
        if event.id != id_of(key, sequence).to_string() {
            findings.unexpected(format!("the event of member {key:?} at {sequence} has the id {}", event.id));
        }
    }
    let histories = evidence.histories();
    for (key, events) in &told {
        committed(ledger, evidence, *key, events, findings);
        let changes = histories.get(key).into_iter().flatten().filter(|verdict| verdict.is_change());
        for verdict in changes {
            let told = verdict.sequence.and_then(|sequence| events.get(&sequence));
            if told.is_some_and(|told| Some(told.is_public) != verdict.says_public()) {
                let (what, at) = (&verdict.outcome, verdict.sequence);
                findings.unexpected(format!("the event of member {key:?} at {at:?} is not that of `{what}`"));
            }
        }
    }
    if ledger.allowed.forgotten_queues {
        return;
    }
    for member in &ledger.members {
        let Some(record) = evidence.members.get(&member.key) else { continue };
        let is_announced = told.get(&member.key).is_some_and(|events| events.contains_key(&record.sequence));
        // A deletion is announced to the cache alone.
        let is_due = record.sequence > member.sequence && !record.is_deleted;
        if is_due && !is_announced && !excused(ledger, &member.key, evidence) {
            findings.lost(format!("the event of member {:?} at {}", member.key, record.sequence));
        }
    }
}

/// Whether all that was told of a member was so.
fn committed(ledger: &Ledger, evidence: &Evidence, key: Key, events: &BTreeMap<i64, Told>, findings: &mut Findings) {
    let Some(record) = evidence.members.get(&key) else {
        findings.unexpected(format!("an event of member {key:?}, who does not exist"));
        return;
    };
    let started = ledger.members.iter().find(|member| member.key == key).map_or(0, |member| member.sequence);
    for (sequence, told) in events {
        let is_now = *sequence == record.sequence;
        if *sequence > record.sequence || *sequence <= started {
            let (now, event) = (record.sequence, &told.event.id);
            findings.unexpected(format!("event {event} of member {key:?} at {sequence}: was {started}, is {now}"));
        } else if is_now && told.is_public != record.is_public {
            findings.unexpected(format!("the event of member {key:?} at {sequence} is not what is on record"));
        }
    }
}

fn read(event: &Message) -> Option<(Key, i64, Value)> {
    let body = event.json();
    let member = body["entityId"].as_str()?.parse().ok()?;
    let site = event.text("siteId").parse().ok()?;
    let sequence = body["entityEventSequence"].as_str()?.parse().ok()?;
    let entity = &body["updatedEvent"]["currentEntity"];
    (body["id"] == event.id.as_str() && entity["id"] == body["entityId"])
        .then(|| ((site, member), sequence, entity.clone()))
}

/// The id that consumers may compute for themselves.
fn id_of((site, member): Key, sequence: i64) -> Uuid {
    const NAMESPACE: Uuid = Uuid::from_u128(0x0c5b_2f0e_6d2c_5f6e_9b1d_3a7c_4e8f_1a20);
    Uuid::new_v5(&NAMESPACE, format!("{site}/{member}/{sequence}").as_bytes())
}
