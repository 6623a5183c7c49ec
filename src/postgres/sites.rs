//! Sites: whether there are several, and the gate of each, set and shown. The join path reads it in its own statements.

use super::{Session, StoreError};
use crate::domain::{Gate, SiteId};

pub(super) const SET_GATE: &str = "
    INSERT INTO sites (site_id, public_member_candidates) VALUES ($1, $2)
    ON CONFLICT (site_id) DO UPDATE SET public_member_candidates = excluded.public_member_candidates";

pub(super) const GATE: &str = "SELECT public_member_candidates FROM sites WHERE site_id = $1";

/// Two looks at the ends of the key: which sites there are would take all of it.
pub(super) const SEVERAL_SITES: &str = "
    SELECT (SELECT site_id FROM members ORDER BY site_id LIMIT 1)
        IS DISTINCT FROM (SELECT site_id FROM members ORDER BY site_id DESC LIMIT 1)";

impl Session {
    /// Whether members of several sites are on record.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn has_several_sites(&mut self) -> Result<bool, StoreError> {
        self.run(async |connection| sqlx::query_scalar(SEVERAL_SITES).fetch_one(connection).await).await
    }

    /// Opens or closes the community of a site.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn set_gate(&mut self, site: SiteId, gate: Gate) -> Result<(), StoreError> {
        self.run(async |connection| sqlx::query(SET_GATE).bind(site.0).bind(gate.as_str()).execute(connection).await)
            .await?;
        Ok(())
    }

    /// The gate of a site; `None` where none was ever set.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn gate(&mut self, site: SiteId) -> Result<Option<Gate>, StoreError> {
        self.run(async |connection| {
            let word: Option<String> = sqlx::query_scalar(GATE).bind(site.0).fetch_optional(connection).await?;
            word.map(|word| Gate::parse(&word).ok_or_else(|| super::rows::unreadable(0, &word))).transpose()
        })
        .await
    }
}
