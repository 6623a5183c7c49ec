//! What a batch tells operators once it is done: metrics, traces and a log line. Apart from the flow, which pays for it once a
//! batch and not once a request.

use time::OffsetDateTime;
use tracing::info;

use super::Desk;
use super::arrival::Item;
use super::rounds::Outcome;
use crate::domain::Verdict;
use crate::operations::{Answered, Laps};

/// What is told of the outcomes of a batch, kept from before they are given away.
pub(super) struct Told {
    verdicts: Vec<Option<Verdict>>,
    repeated: u64,
}

impl Told {
    pub(super) fn of(outcomes: &[Outcome]) -> Self {
        let is_repeat = |outcome: &&Outcome| matches!(outcome, Outcome::Verdict { fresh: false, .. });
        let repeated = outcomes.iter().filter(is_repeat).count() as u64;
        Self { verdicts: outcomes.iter().map(Outcome::verdict).collect(), repeated }
    }
}

impl Desk {
    /// Tells of a batch that is done.
    pub(super) fn tell(&self, items: &[Item], told: &Told, laps: &Laps) {
        let meters = &self.meters;
        meters.batch_requests.record(f64::from(u32::try_from(items.len()).unwrap_or(u32::MAX)));
        meters.laps(laps);
        meters.verdicts(told.verdicts.iter().copied().flatten());
        meters.repeated.increment(told.repeated);
        if self.authenticator.trusts_broker_time() {
            self.tell_waits(items, told);
        }
        if self.traces.are_on() {
            let answered = items.iter().zip(&told.verdicts).filter_map(|(item, verdict)| answered(item, *verdict));
            self.traces.batch(items.len(), laps, answered);
        }
        info!(requests = items.len(), repeated = told.repeated, seconds = laps.total().as_secs_f64(), "batch");
    }

    /// Since when a request waits is known only where the broker is proven to stamp it: a producer may claim anything.
    fn tell_waits(&self, items: &[Item], told: &Told) {
        let now = OffsetDateTime::now_utc();
        for (item, _) in items.iter().zip(&told.verdicts).filter(|(_, verdict)| verdict.is_some()) {
            let seconds = (now - item.request.received_at).as_seconds_f64().max(0.0);
            self.meters.queue_wait.record(seconds);
            self.meters.oldest.waited(seconds);
        }
    }
}

fn answered(item: &Item, verdict: Option<Verdict>) -> Option<Answered<'_>> {
    let request = &item.request;
    Some(Answered {
        traceparent: request.traceparent.as_deref()?,
        message_id: request.id.as_str(),
        method: request.method,
        outcome: verdict.map_or("undecided", Verdict::as_str),
        code: verdict.and_then(Verdict::code),
    })
}
