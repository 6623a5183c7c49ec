//! The steps of the audit, one service at a time: read a slice, look at its entries, look again at what is in doubt, have it
//! set right. Apart from the loop, so that a test may let anything happen between two steps.

use uuid::Uuid;

use super::drift::{Drift, Repair, judge};
use crate::cache::{CacheError, Correction, Entry, Held, Profiles};
use crate::domain::{MemberId, SiteId};
use crate::postgres::{AuditPage, Audited, Place, Session, StoreError};

/// Why a slice could not be audited.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The records could not be read, or a debt not be made.
    #[error("the records cannot be read")]
    Store(#[from] StoreError),
    /// The entries could not be read or replaced.
    #[error("the cache cannot be read")]
    Cache(#[from] CacheError),
}

/// A member whose entry does not look as its record wants it; maybe only because both changed meanwhile.
#[derive(Clone, Debug)]
pub struct Doubt {
    place: Place,
    held: Held,
}

/// Holds the cache against the records.
pub struct Auditor {
    pub(super) store: Session,
    pub(super) profiles: Profiles,
    from: Place,
}

impl Auditor {
    /// An auditor that starts anywhere: so workers that are started anew often look at everybody in the end, and several
    /// look at different members. They share nothing.
    #[must_use]
    pub fn new(store: Session, profiles: Profiles) -> Self {
        Self { store, profiles, from: anywhere() }
    }

    /// Goes on from anywhere.
    pub(super) fn start_anywhere(&mut self) {
        self.from = anywhere();
    }

    /// Goes on from this place, or from the beginning; answers whether that begins a new round.
    pub fn go_on(&mut self, from: Option<Place>) -> bool {
        self.from = from.unwrap_or(Place::FIRST);
        from.is_none()
    }

    /// The next slice of the records.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn page(&mut self, limit: usize) -> Result<AuditPage, StoreError> {
        self.store.audit_page(self.from, limit).await
    }

    /// Those of the records whose entries look out of step.
    ///
    /// # Errors
    /// If the cache does not serve.
    pub async fn doubts(&mut self, records: Vec<Audited>) -> Result<Vec<Doubt>, CacheError> {
        Ok(self.compare(records).await?.0)
    }

    /// Those of the records whose entries look out of step, and those that have none although they are to be shown. Nobody
    /// writes one meanwhile: whoever does, owes it in the record's own snapshot.
    pub(super) async fn compare(&mut self, mut records: Vec<Audited>) -> Result<(Vec<Doubt>, Vec<Place>), CacheError> {
        records.retain(|record| !record.owed);
        let places: Vec<Place> = records.iter().map(place).collect();
        let held = self.look(&places).await?;
        let (mut doubts, mut missing) = (Vec::new(), Vec::new());
        for (record, held) in records.iter().zip(held) {
            if held == Held::Nothing && record.member.is_public() {
                missing.push(place(record));
            } else if let Some(drift) = judge(record, &held, &held) {
                doubts.push(Doubt { place: drift.place, held });
            }
        }
        Ok((doubts, missing))
    }

    /// Those of the doubts that are out of step, whatever happened between the first look and this one.
    ///
    /// # Errors
    /// If one of the services does not serve.
    pub async fn confirm(&mut self, doubts: Vec<Doubt>) -> Result<Vec<Drift>, AuditError> {
        if doubts.is_empty() {
            return Ok(Vec::new());
        }
        // The record after the first look at its entry, and before the second one: see `judge`.
        let places: Vec<Place> = doubts.iter().map(|doubt| doubt.place).collect();
        let records = self.store.audit_again(&places).await?;
        let places: Vec<Place> = records.iter().map(place).collect();
        let held = self.look(&places).await?;
        let before = |place: Place| doubts.iter().find(|doubt| doubt.place == place);
        let confirmed = |(record, after): (&Audited, &Held)| judge(record, &before(place(record))?.held, after);
        Ok(records.iter().zip(&held).filter_map(confirmed).collect())
    }

    /// Sets right what can be set right.
    ///
    /// # Errors
    /// If one of the services does not serve, or the cache refuses.
    pub async fn repair(&mut self, drifts: &[Drift]) -> Result<(), AuditError> {
        let Repairs { owed, replaced, hidden } = repairs(drifts);
        if !owed.is_empty() {
            self.store.audit_owe(&owed).await?;
        }
        self.profiles.write(&hidden).await?;
        Ok(self.profiles.correct(&replaced).await?)
    }

    pub(super) async fn look(&mut self, places: &[Place]) -> Result<Vec<Held>, CacheError> {
        let keys: Vec<(SiteId, MemberId)> = places.iter().map(|place| (place.site, place.member_id)).collect();
        self.profiles.look(&keys).await
    }
}

/// Repairs, sorted by how they are done.
#[derive(Default)]
pub(super) struct Repairs {
    pub(super) owed: Vec<(Place, i64)>,
    pub(super) replaced: Vec<Correction>,
    pub(super) hidden: Vec<Entry>,
}

pub(super) fn repairs(drifts: &[Drift]) -> Repairs {
    let mut repairs = Repairs::default();
    for Drift { place, event_sequence, repair, .. } in drifts {
        let entry =
            |event_sequence, member| Entry { site: place.site, member_id: place.member_id, event_sequence, member };
        match repair {
            Repair::Owe => repairs.owed.push((*place, *event_sequence)),
            Repair::Replace { member, seen } => {
                let entry = entry(*event_sequence, Some(member.clone()));
                repairs.replaced.push(Correction { entry, seen: seen.clone() });
            }
            Repair::Hide { event_sequence } => repairs.hidden.push(entry(*event_sequence, None)),
            Repair::Leave => {}
        }
    }
    repairs
}

pub(super) fn place(record: &Audited) -> Place {
    Place { site: record.site, member_id: record.member.id }
}

fn anywhere() -> Place {
    Place { site: SiteId(Uuid::new_v4()), member_id: MemberId(Uuid::new_v4()) }
}
