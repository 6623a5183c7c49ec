//! Writes what the records say straight to the cache. Apart from the repairs of the running audit, which has the announcer pay
//! a debt: an operator whose cache is empty, or whose workers stand still, wants it now. The guard is the announcer's own.

use super::auditor::{AuditError, Auditor, Repairs, place, repairs};
use super::drift::Drift;
use crate::announce::cache_side::shown;
use crate::cache::{CacheError, Entry, Held};
use crate::postgres::{Audited, Place};

/// What was written for some records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Renewed {
    /// Entries that the cache holds now, unless it held newer ones.
    pub shown: u64,
    /// Entries of members who are not to be shown, replaced by tombstones.
    pub hidden: u64,
}

impl Auditor {
    /// Writes the entries of all who are to be shown, and tombstones over what stands there of anybody else; nothing that is
    /// newer is overwritten.
    ///
    /// # Errors
    /// If the cache does not serve, or refuses an entry.
    pub async fn renew(&mut self, records: &[Audited]) -> Result<Renewed, AuditError> {
        let (public, others): (Vec<&Audited>, Vec<&Audited>) =
            records.iter().partition(|record| record.member.is_public());
        let places: Vec<Place> = others.iter().map(|record| place(record)).collect();
        let held = self.look(&places).await?;
        let mut entries: Vec<Entry> = public.iter().map(|record| entry(record)).collect();
        let gone = others.iter().zip(&held).filter(|(record, held)| must_go(record, held));
        entries.extend(gone.map(|(record, _)| entry(record)));
        self.write(&entries).await?;
        let shown = public.len() as u64;
        Ok(Renewed { shown, hidden: entries.len() as u64 - shown })
    }

    /// Sets right what can be set right, and writes the entries that are missing, now: no worker need be running.
    ///
    /// # Errors
    /// If one of the services does not serve, or the cache refuses.
    pub(super) async fn mend(&mut self, missing: &[Place], drifts: &[Drift]) -> Result<(), AuditError> {
        let Repairs { owed, replaced, hidden } = repairs(drifts);
        let mut unwritten = missing.to_vec();
        unwritten.extend(owed.iter().map(|(place, _)| *place));
        if !unwritten.is_empty() {
            let records = self.store.audit_again(&unwritten).await?;
            let entries: Vec<Entry> = records.iter().map(entry).collect();
            self.write(&entries).await?;
        }
        self.write(&hidden).await?;
        Ok(self.profiles.correct(&replaced).await?)
    }

    async fn write(&mut self, entries: &[Entry]) -> Result<(), AuditError> {
        match self.profiles.write(entries).await?.error {
            Some(error) => Err(CacheError::Redis(error).into()),
            None => Ok(()),
        }
    }
}

/// What the key of a record shall hold: an entry, or a tombstone.
fn entry(Audited { site, member, .. }: &Audited) -> Entry {
    Entry { site: *site, member_id: member.id, event_sequence: member.event_sequence, member: shown(member) }
}

/// Whether a key holds what nobody may see, of a member who is not to be shown. What is newer is not this record's to judge.
fn must_go(record: &Audited, held: &Held) -> bool {
    match held {
        Held::Nothing | Held::Entry { member: None, .. } => false,
        Held::Junk => true,
        Held::Entry { event_sequence, member: Some(_) } => *event_sequence <= record.member.event_sequence,
    }
}
