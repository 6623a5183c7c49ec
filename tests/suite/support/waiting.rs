//! Waiting for what must come, by looking again and again. Apart, so that no test sleeps on its own account and every
//! wait that fails says what it saw last.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// How long a test waits for anything that comes at all: many times what a loaded machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Looks until `look` answers `Ok`, and hands over what it found. Otherwise the test fails with what was seen last.
pub(crate) async fn eventually<T, E: Debug>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(5);
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) => {
                assert!(Instant::now() < deadline, "{what}: not within {limit:?}; last seen: {seen:?}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(100));
            }
        }
    }
}

/// Waits for one thing that is pushed, not looked for.
pub(crate) async fn within_patience<T>(what: &str, coming: impl Future<Output = T>) -> T {
    timeout(PATIENCE, coming).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}
