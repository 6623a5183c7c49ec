//! A walk past the records of a site, or of all: slice by slice, no faster than wanted, and always at a place from which
//! another can go on. Apart from the rounds of the audit, which begin anywhere and never end.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::auditor::{AuditError, Auditor};
use crate::announce::pace::Pace;
use crate::domain::{MemberId, SiteId};
use crate::postgres::{AuditPage, Audited, Place};

/// A walk on its way.
pub struct Walk {
    site: Option<SiteId>,
    next: Option<Place>,
    pace: Pace,
}

impl Walk {
    /// Past the members of one site or of all, from a place or from the first, at most `rate` a second.
    #[must_use]
    pub fn new(site: Option<SiteId>, from: Option<Place>, rate: Option<u32>) -> Self {
        let first = site.map_or(Place::FIRST, |site| Place { site, member_id: MemberId(Uuid::nil()) });
        // Nobody looks at as many as that in a second.
        let pace = Pace::new(rate.unwrap_or(u32::MAX), Duration::ZERO, Instant::now());
        Self { site, next: Some(from.unwrap_or(first)), pace }
    }

    /// The first place that is not done: where another walk goes on; `None` once all are.
    #[must_use]
    pub fn next(&self) -> Option<Place> {
        self.next
    }

    /// Has the work done on slice after slice, until the last or until it is told to stop.
    ///
    /// # Errors
    /// What the work, or the reading, failed with. The slice is then not done.
    pub async fn run(
        &mut self,
        auditor: &mut Auditor,
        stop: &CancellationToken,
        mut work: impl AsyncFnMut(&mut Auditor, Vec<Audited>) -> Result<(), AuditError>,
    ) -> Result<(), AuditError> {
        while let Some(from) = self.next {
            let turn = tokio::time::sleep_until(self.pace.next());
            if stop.run_until_cancelled(turn).await.is_none() || stop.is_cancelled() {
                break;
            }
            let began = Instant::now();
            auditor.go_on(Some(from));
            let AuditPage { mut records, next } = auditor.page(self.pace.slice()).await?;
            let site = self.site;
            let is_within = |other: SiteId| site.is_none_or(|site| site == other);
            records.retain(|record| is_within(record.site));
            self.pace.spent(records.len(), began);
            work(auditor, records).await?;
            self.next = next.filter(|next| is_within(next.site));
        }
        Ok(())
    }
}
