//! Waiting for a broker that may block publishers, for lack of memory or disk: such time counts against no limit. A
//! module of its own, since the client library waits the same way.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

/// In how many slices a limit is counted: it is looked after each of them whether publishers are blocked.
const SLICES: u32 = 10;

/// Waits until `work` is done, or for `limit`; `None` then. Time in which publishers are blocked does not count, and after
/// it the whole limit is granted anew: what waited goes out only then.
pub async fn within_unblocked<T>(
    limit: Duration,
    is_blocked: impl Fn() -> bool,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = pin!(work);
    let mut counted = 0;
    while counted < SLICES {
        match timeout(limit / SLICES, &mut work).await {
            Ok(done) => return Some(done),
            Err(_) if is_blocked() => counted = 0,
            Err(_) => counted += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;
    use std::time::Duration;

    use tokio::sync::Notify;

    use super::{SLICES, within_unblocked};

    const LIMIT: Duration = Duration::from_millis(10);

    /// How often it is looked whether publishers are blocked, until what is never done is given up. At the looks given
    /// they are.
    async fn looks(blocked: &[u32]) -> u32 {
        let looks = Cell::new(0);
        let is_blocked = || {
            looks.set(looks.get() + 1);
            blocked.contains(&looks.get())
        };
        assert_eq!(within_unblocked(LIMIT, is_blocked, pending::<()>()).await, None);
        looks.get()
    }

    #[tokio::test]
    async fn however_late_publishers_were_blocked_the_whole_limit_is_granted_after_it() {
        assert_eq!(looks(&[]).await, SLICES);
        assert_eq!(looks(&[SLICES]).await, 2 * SLICES);
        assert_eq!(looks(&[4, SLICES + 4]).await, 2 * SLICES + 4);
    }

    #[tokio::test]
    async fn what_is_done_while_publishers_are_blocked_is_handed_on_long_after_the_limit() {
        let (looks, confirmed) = (Cell::new(0), Notify::new());
        let is_blocked = || {
            looks.set(looks.get() + 1);
            if looks.get() == 5 * SLICES {
                confirmed.notify_one();
            }
            true
        };
        assert_eq!(within_unblocked(LIMIT, is_blocked, confirmed.notified()).await, Some(()));
    }
}
