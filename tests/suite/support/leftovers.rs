//! What killed tests leave behind is known by its name and age, and swept once a process.

use std::time::Duration;

const OLD: Duration = Duration::from_hours(1);

/// Whether a name made by `unique` is so old that its test cannot be running any more.
pub(super) fn is_left_over(name: &str, kind: &str) -> bool {
    let Some(rest) = name.strip_prefix(kind).and_then(|rest| rest.strip_prefix('_')) else { return false };
    let made = rest.split('_').next().and_then(|seconds| seconds.parse().ok());
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    made.is_some_and(|made: i64| now.saturating_sub(made) > i64::try_from(OLD.as_secs()).unwrap_or(i64::MAX))
}
