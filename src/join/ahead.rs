//! Taking ahead: while one site's backlog crowds the queue of requests, new requests of other sites are taken beside it. Apart
//! from the lane, which pays a glance a batch for it.

use std::collections::{HashMap, VecDeque};
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

/// So many requests wait for a lane to look at them, and so many for the next batch. More stay with the broker.
const WAITING: usize = 2048;
/// Of these of one site: who asks for more stands before nobody else.
const OF_ONE_SITE: usize = WAITING / 8;
/// What is looked at together.
const TOGETHER: usize = 256;
/// A queue that was crowded a moment ago soon is again.
const CALM: Duration = Duration::from_secs(5);
/// Between two tries where another worker looks ahead already, or the broker refuses.
const AGAIN: Duration = Duration::from_secs(5);

/// A request that was seen ahead. Whatever else there is to say of it is said when it comes from the queue.
struct Seen {
    site: SiteId,
    incoming: Incoming,
}

/// Requests that were seen ahead, on their way to the lanes.
pub(super) struct Ahead {
    seen: mpsc::Sender<Seen>,
    waiting: Mutex<Waiting>,
}

/// What no lane has taken yet.
struct Waiting {
    /// Of sites that had their share of the batch before, the oldest first.
    later: VecDeque<Seen>,
    new: mpsc::Receiver<Seen>,
}

/// When what was seen ahead is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Beside this batch.
    Now,
    /// Beside another one.
    Later,
    /// When it comes from the queue.
    InTheQueue,
}

impl Ahead {
    pub(super) fn new() -> Self {
        let (seen, new) = mpsc::channel(WAITING);
        Self { seen, waiting: Mutex::new(Waiting { later: VecDeque::new(), new }) }
    }

    fn is_empty(&self) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.later.is_empty() && waiting.new.is_empty()
    }

    /// What goes beside a batch of requests of these sites; what goes later is kept.
    fn take(&self, queue: &[SiteId], share: f64) -> Vec<Incoming> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { later, new } = &mut *waiting;
        later.extend(std::iter::from_fn(|| new.try_recv().ok()).take(WAITING));
        let sites: Vec<SiteId> = later.iter().map(|seen| seen.site).collect();
        let (mut now, mut kept) = (Vec::new(), HashMap::<SiteId, usize>::new());
        for (turn, seen) in who_goes_ahead(queue, &sites, share).into_iter().zip(std::mem::take(later)) {
            match turn {
                Turn::Now => now.push(seen.incoming),
                Turn::Later => {
                    let kept = kept.entry(seen.site).or_default();
                    if *kept < OF_ONE_SITE && later.len() < WAITING {
                        *kept += 1;
                        later.push_back(seen);
                    }
                }
                Turn::InTheQueue => {}
            }
        }
        now
    }

    /// Forgets what waits.
    fn clear(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.later = VecDeque::new();
        while waiting.new.try_recv().is_ok() {}
    }
}

impl Desk {
    /// Adds to a batch what was seen ahead and does not crowd the queue. It is not settled: the same comes from the queue.
    pub(super) fn take_ahead(&self, items: &mut Vec<Item>) {
        if items.is_empty() || self.ahead.is_empty() {
            return;
        }
        let (queue, before): (Vec<SiteId>, _) = (items.iter().map(|item| item.request.site).collect(), items.len());
        let seen = self.ahead.take(&queue, self.crowding.share());
        items.extend(seen.into_iter().filter_map(|seen| self.proven(seen)));
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
        // Whoever looked ahead on the connection before was cut off.
        self.ahead.clear();
        self.meters.looks_ahead.set(0.0);
        loop {
            self.crowding.until_crowded().await;
            match ahead::look(connection, &self.names, self.broker_timeout).await {
                Ok(Some(deliveries)) => {
                    debug!("looks ahead of the queue of requests");
                    self.meters.looks_ahead.set(1.0);
                    let ended = self.look(deliveries).await;
                    self.meters.looks_ahead.set(0.0);
                    // What still waits lies in the queue as well, and nothing crowds that any more.
                    self.ahead.clear();
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
                let Ok(site) = decode(&incoming).map(|decoded| decoded.body.site) else { continue };
                // Waits while lanes have no time to look; the broker drops what then is too much.
                tokio::select! {
                    () = &mut calm => return Ok(deliveries.close(self.broker_timeout).await?),
                    handed = self.ahead.seen.send(Seen { site, incoming }) => handed.map_err(|_| Gone::Ended)?,
                }
            }
            if let Some(last) = last {
                settlements.ack(last, true).await?;
            }
        }
        Ok(deliveries.close(self.broker_timeout).await?)
    }
}

/// When each of those seen ahead is handled, beside a batch from the queue. Of sites that have more of that batch than their
/// share none is; of each other no more than that goes now, and half a batch in all. One is always little enough.
fn who_goes_ahead(queue: &[SiteId], seen: &[SiteId], share: f64) -> Vec<Turn> {
    #[expect(clippy::cast_precision_loss, reason = "batches have up to a thousand requests")]
    let most = (queue.len() as f64 * share).max(1.0);
    let mut queued: HashMap<SiteId, f64> = HashMap::new();
    for site in queue {
        *queued.entry(*site).or_default() += 1.0;
    }
    let (mut room, mut taken) = (queue.len().div_ceil(2), HashMap::<SiteId, f64>::new());
    let turn = |site: &SiteId| {
        if queued.get(site).is_some_and(|queued| *queued > most) {
            return Turn::InTheQueue;
        }
        let taken = taken.entry(*site).or_default();
        if room == 0 || *taken + 1.0 > most {
            return Turn::Later;
        }
        *taken += 1.0;
        room -= 1;
        Turn::Now
    };
    seen.iter().map(turn).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::Turn::{InTheQueue, Later, Now};
    use super::{Ahead, OF_ONE_SITE, Seen, who_goes_ahead};
    use crate::domain::SiteId;
    use crate::wire::Incoming;

    const A: SiteId = SiteId(Uuid::from_u128(1));
    const B: SiteId = SiteId(Uuid::from_u128(2));
    const C: SiteId = SiteId(Uuid::from_u128(3));

    #[test]
    fn a_site_that_crowds_the_queue_does_not_go_ahead_and_another_does_up_to_its_share() {
        let queue = [A, A, A, A, A, A, A, B];
        let turns = who_goes_ahead(&queue, &[A, B, A, B, B, C], 0.25);
        assert_eq!(turns, [InTheQueue, Now, InTheQueue, Now, Later, Now]);
    }

    #[test]
    fn one_goes_ahead_however_small_the_share() {
        assert_eq!(who_goes_ahead(&[A, A], &[B, B], 0.001), [Now, Later]);
    }

    #[test]
    fn all_together_are_half_a_batch() {
        let seen: Vec<_> = (10..20).map(|site| SiteId(Uuid::from_u128(site))).collect();
        assert_eq!(who_goes_ahead(&[A; 8], &seen, 0.125).iter().filter(|turn| **turn == Now).count(), 4);
        assert!(!who_goes_ahead(&[], &seen, 1.0).contains(&Now));
    }

    #[test]
    fn who_has_had_its_share_goes_beside_the_next_batch_in_its_order() {
        let ahead = Ahead::new();
        for id in ["1", "2", "3"] {
            let incoming = Incoming { message_id: Some(id.into()), ..Incoming::default() };
            ahead.seen.try_send(Seen { site: B, incoming }).unwrap();
        }
        let take = || -> Vec<_> { ahead.take(&[A; 4], 0.25).into_iter().filter_map(|seen| seen.message_id).collect() };
        assert_eq!([take(), take(), take(), take()].map(|taken| taken.join(",")), ["1", "2", "3", ""]);
        assert!(ahead.is_empty());
    }

    #[test]
    fn what_waits_of_one_site_is_bounded_and_keeps_nobody_else_waiting() {
        let ahead = Ahead::new();
        for _ in 0..5 {
            while ahead.seen.try_send(Seen { site: B, incoming: Incoming::default() }).is_ok() {}
            assert_eq!(ahead.take(&[A], 0.0).len(), 1);
            assert_eq!(ahead.waiting.lock().unwrap().later.len(), OF_ONE_SITE);
        }
        ahead.seen.try_send(Seen { site: C, incoming: Incoming::default() }).unwrap();
        assert_eq!(ahead.take(&[A; 4], 0.25).len(), 2, "one of each");
        ahead.clear();
        assert!(ahead.is_empty());
    }
}
