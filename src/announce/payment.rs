//! What comes of a debt on one side, and when. Apart, because times are kept without a lock: both sides hold a debt at once.

use std::sync::atomic::{AtomicI64, Ordering};

use time::{Duration, OffsetDateTime};

/// What a side came to with a debt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payment {
    /// It stays owed.
    Missed,
    /// There was nothing to pay after all: a member who is gone has no event.
    NotOwed,
    /// It is paid, since then.
    Made(OffsetDateTime),
}

impl Payment {
    /// Paid now, or not.
    pub(super) fn of(is_paid: bool, now: OffsetDateTime) -> Self {
        if is_paid { Self::Made(now) } else { Self::Missed }
    }

    /// Whether the side owes nothing any more.
    pub(super) fn is_paid(self) -> bool {
        match self {
            Self::Missed => false,
            Self::NotOwed | Self::Made(_) => true,
        }
    }
}

/// When a side paid a debt, if it did: microseconds since 1970, or 0.
#[derive(Default)]
pub(super) struct PaidAt(AtomicI64);

impl PaidAt {
    /// Notes when. Whoever reads it has learned in another way that the side is done, so this needs no order of its own.
    pub(super) fn set(&self, at: OffsetDateTime) {
        let micros = i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or_default();
        self.0.store(micros, Ordering::Relaxed);
    }

    /// When it was, to the microsecond, as PostgreSQL keeps it.
    pub(super) fn get(&self) -> Option<OffsetDateTime> {
        let micros = self.0.load(Ordering::Relaxed);
        (micros != 0).then(|| OffsetDateTime::UNIX_EPOCH + Duration::microseconds(micros))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::PaidAt;

    #[test]
    fn a_time_is_kept_to_the_microsecond_and_none_is_none() {
        let paid = PaidAt::default();
        assert_eq!(paid.get(), None);
        paid.set(datetime!(2026-11-24 10:00:00.123_456_789 UTC));
        assert_eq!(paid.get(), Some(datetime!(2026-11-24 10:00:00.123_456 UTC)));
    }
}
