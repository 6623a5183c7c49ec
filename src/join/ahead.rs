//! Taking ahead: while one site's backlog crowds the queue of requests, new requests of other sites are taken beside it. Apart
//! from the lane, which pays a glance a batch for it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lapin::Connection;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::Desk;
use super::arrival::{Arrival, Item, examine};
use super::settle::Gone;
use crate::domain::{SiteId, to_millis};
use crate::fail_point;
use crate::rabbitmq::ahead;
use crate::rabbitmq::consumer::Deliveries;
use crate::telemetry::chain;
use crate::wire::Incoming;
use crate::wire::request::decode;

/// So many requests wait for a lane to look at them. More stay with the broker.
const WAITING: usize = 4096;
/// What is looked at together.
const TOGETHER: usize = 256;
/// A queue that was crowded a moment ago soon is again.
const CALM: Duration = Duration::from_secs(5);
/// Between two tries where another worker looks ahead already, or the broker refuses.
const AGAIN: Duration = Duration::from_secs(5);

/// Requests that were seen ahead, on their way to the lanes.
pub(super) struct Ahead {
    seen: mpsc::Sender<Incoming>,
    waiting: Mutex<mpsc::Receiver<Incoming>>,
}

impl Ahead {
    pub(super) fn new() -> Self {
        let (seen, waiting) = mpsc::channel(WAITING);
        Self { seen, waiting: Mutex::new(waiting) }
    }

    /// What waits, all of it.
    fn take(&self) -> Vec<Incoming> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| waiting.try_recv().ok()).collect()
    }
}

impl Desk {
    /// Adds to a batch what was seen ahead and does not crowd the queue. It is not settled: the same comes from the queue.
    pub(super) fn take_ahead(&self, items: &mut Vec<Item>) {
        let seen = self.ahead.take();
        if seen.is_empty() || items.is_empty() {
            return;
        }
        let queue: Vec<SiteId> = items.iter().map(|item| item.request.site).collect();
        // Whatever else there is to say of a message is said when it comes from the queue.
        let sites: Vec<Option<SiteId>> =
            seen.iter().map(|incoming| decode(incoming).ok().map(|decoded| decoded.body.site)).collect();
        let taken = who_goes_ahead(&queue, &sites, self.crowding.share());
        let before = items.len();
        items.extend(seen.into_iter().zip(taken).filter(|(_, taken)| *taken).filter_map(|(seen, _)| self.proven(seen)));
        self.meters.ahead.increment((items.len() - before) as u64);
    }

    fn proven(&self, incoming: Incoming) -> Option<Item> {
        fail_point::beware_of(incoming.message_id.as_deref());
        let now = incoming.taken_at.unwrap_or_else(|| to_millis(OffsetDateTime::now_utc()));
        match examine(&incoming, &self.authenticator, now) {
            Arrival::Proven(request) if self.controls.holds(request.site) => None,
            Arrival::Proven(request) => Some(Item { tag: None, incoming, request: *request }),
            Arrival::Malformed(_) | Arrival::Refused(_) | Arrival::NoKeys => None,
        }
    }

    /// Whether it ever looks ahead. Not past shards: they keep each member's requests in their order.
    pub(super) fn may_look_ahead(&self) -> bool {
        self.crowding.is_on() && self.names.shards() == 0
    }

    /// Looks ahead whenever the queue is crowded, as long as it is polled.
    pub async fn look_ahead(&self, connection: &Connection) -> Infallible {
        if !self.may_look_ahead() {
            return std::future::pending().await;
        }
        loop {
            self.crowding.until_crowded().await;
            match ahead::look(connection, &self.names, self.broker_timeout).await {
                Ok(Some(deliveries)) => {
                    debug!("looks ahead of the queue of requests");
                    self.meters.looks_ahead.set(1.0);
                    let ended = self.look(deliveries).await;
                    self.meters.looks_ahead.set(0.0);
                    // What still waits lies in the queue as well, and nothing crowds that any more.
                    drop(self.ahead.take());
                    match ended {
                        Ok(()) => continue,
                        Err(error) => debug!(error = chain(&error), "looks ahead no longer"),
                    }
                }
                Ok(None) => debug!("another worker looks ahead"),
                Err(error) => warn!(
                    error = chain(&error),
                    queue = self.names.ahead(),
                    "a crowded queue makes every site wait: may this worker configure, write and read the queue?"
                ),
            }
            sleep(AGAIN).await;
        }
    }

    /// Hands on what comes in until the queue is no longer crowded.
    async fn look(&self, mut deliveries: Deliveries) -> Result<(), Gone> {
        let settlements = deliveries.settlements();
        let calm = self.crowding.until_calm(CALM);
        tokio::pin!(calm);
        loop {
            let batch = tokio::select! {
                () = &mut calm => break,
                batch = deliveries.next_batch(TOGETHER) => batch.ok_or(Gone::Ended)?,
            };
            let last = batch.last().map(|(tag, _)| *tag);
            for (_, incoming) in batch {
                // Waits while lanes have no time to look; the broker drops what then is too much.
                tokio::select! {
                    () = &mut calm => return Ok(deliveries.close(self.broker_timeout).await?),
                    handed = self.ahead.seen.send(incoming) => handed.map_err(|_| Gone::Ended)?,
                }
            }
            if let Some(last) = last {
                settlements.ack(last, true).await?;
            }
        }
        Ok(deliveries.close(self.broker_timeout).await?)
    }
}

/// Which of those seen ahead are taken beside a batch from the queue: of sites that have no more of the batch than their share,
/// of each no more than that, and half a batch in all. One is always little enough.
fn who_goes_ahead(queue: &[SiteId], seen: &[Option<SiteId>], share: f64) -> Vec<bool> {
    #[expect(clippy::cast_precision_loss, reason = "batches have up to a thousand requests")]
    let most = (queue.len() as f64 * share).max(1.0);
    let mut queued: HashMap<SiteId, f64> = HashMap::new();
    for site in queue {
        *queued.entry(*site).or_default() += 1.0;
    }
    let (mut room, mut taken) = (queue.len().div_ceil(2), HashMap::<SiteId, f64>::new());
    let goes = |site: &Option<SiteId>| {
        let Some(site) = site.filter(|site| room > 0 && queued.get(site).is_none_or(|queued| *queued <= most)) else {
            return false;
        };
        let taken = taken.entry(site).or_default();
        let goes = *taken + 1.0 <= most;
        if goes {
            *taken += 1.0;
            room -= 1;
        }
        goes
    };
    seen.iter().map(goes).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::who_goes_ahead;
    use crate::domain::SiteId;

    const A: SiteId = SiteId(Uuid::from_u128(1));
    const B: SiteId = SiteId(Uuid::from_u128(2));
    const C: SiteId = SiteId(Uuid::from_u128(3));

    #[test]
    fn a_site_that_crowds_the_queue_does_not_go_ahead_and_another_does_up_to_its_share() {
        let queue = [A, A, A, A, A, A, A, B];
        let seen = [Some(A), Some(B), Some(A), Some(B), Some(B), Some(C)];
        assert_eq!(who_goes_ahead(&queue, &seen, 0.25), [false, true, false, true, false, true]);
    }

    #[test]
    fn one_goes_ahead_however_small_the_share_and_what_says_nothing_of_its_site_does_not() {
        assert_eq!(who_goes_ahead(&[A, A], &[Some(B), Some(B), None], 0.001), [true, false, false]);
    }

    #[test]
    fn all_together_are_half_a_batch() {
        let seen: Vec<_> = (10..20).map(|site| Some(SiteId(Uuid::from_u128(site)))).collect();
        assert_eq!(who_goes_ahead(&[A; 8], &seen, 0.125).iter().filter(|goes| **goes).count(), 4);
        assert!(!who_goes_ahead(&[], &seen, 1.0).contains(&true));
    }
}
