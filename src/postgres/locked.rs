//! Which members somebody else has locked. Apart from load, because only a batch in trouble asks, and a lock is no fact
//! that anything is decided on.

use sqlx::Row;

use super::rows::unreadable;
use super::{Session, StoreError};
use crate::domain::Request;

// The lock is the one that a commit takes, and goes with the statement. A member without a record is nobody's lock.
pub(super) const LOCKED: &str = "
    SELECT k.n
    FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS k (site_id, member_id, n)
    CROSS JOIN LATERAL (SELECT FROM members m WHERE m.site_id = k.site_id AND m.id = k.member_id LIMIT 1) there
    LEFT JOIN LATERAL (
        SELECT true AS free FROM members m WHERE m.site_id = k.site_id AND m.id = k.member_id
        LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    ) taken ON true
    WHERE taken.free IS NULL";

impl Session {
    /// Answers for each request whether its member's record is locked by somebody else right now. Waits for nobody.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn locked(&mut self, requests: &[&Request]) -> Result<Vec<bool>, StoreError> {
        self.run(async |connection| {
            let rows = sqlx::query(LOCKED)
                .bind(requests.iter().map(|request| request.site.0).collect::<Vec<_>>())
                .bind(requests.iter().map(|request| request.target.map(|member| member.0)).collect::<Vec<_>>())
                .fetch_all(connection)
                .await?;
            let mut locked = vec![false; requests.len()];
            for row in &rows {
                let place: i64 = row.try_get(0)?;
                let place = usize::try_from(place - 1).ok().and_then(|place| locked.get_mut(place));
                *place.ok_or_else(|| unreadable(0, "no request"))? = true;
            }
            Ok(locked)
        })
        .await
    }
}
