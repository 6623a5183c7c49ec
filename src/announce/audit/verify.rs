//! One comparison of records with their entries, for an operator who wants to know. Apart from the audit in the background,
//! to which what is absent is in step: entries live for `cache.ttl` only.

use super::auditor::{AuditError, Auditor};
use super::drift::{Drift, Kind};
use crate::postgres::{Audited, Place};

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// There is none, though the member is to be shown.
    Missing,
    /// It is older than the record, with nothing owed that would make up for it.
    Behind,
    /// It is of the record's sequence, and does not say what the record says.
    Different,
    /// It is newer than the record: the database lost something.
    Ahead,
    /// It shows a profile that the record does not: of somebody who is private again, blocked or deleted.
    LeftOver,
}

/// A member whose entry is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The member.
    pub place: Place,
    /// What is wrong.
    pub fault: Fault,
}

/// What counts as wrong, and what is done about it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// Set right what is wrong.
    pub repair: bool,
    /// What is missing is not wrong: it is found, and left.
    pub allow_missing: bool,
}

impl Auditor {
    /// Compares records with their entries, and sets right what is wrong if that is wanted. Members who are owed an entry are
    /// passed over: whoever owes it writes it.
    ///
    /// # Errors
    /// If one of the services does not serve, or the cache refuses a repair.
    pub async fn verify(&mut self, records: Vec<Audited>, terms: Terms) -> Result<Vec<Finding>, AuditError> {
        let (doubts, missing) = self.compare(records).await?;
        let drifts = self.confirm(doubts).await?;
        if terms.repair {
            self.mend(if terms.allow_missing { &[] } else { &missing }, &drifts).await?;
        }
        let missing = missing.into_iter().map(|place| Finding { place, fault: Fault::Missing });
        Ok(missing.chain(drifts.iter().map(|drift| Finding { place: drift.place, fault: fault(drift) })).collect())
    }
}

fn fault(drift: &Drift) -> Fault {
    match (drift.kind, drift.shows_hidden) {
        // Whatever it shows, it is the record that is wrong.
        (Kind::Ahead, _) => Fault::Ahead,
        (Kind::Behind | Kind::Wrong, true) => Fault::LeftOver,
        (Kind::Behind, false) => Fault::Behind,
        (Kind::Wrong, false) => Fault::Different,
    }
}
