//! Making way: in a crowded queue a site keeps its share of each batch, and the rest of what it sent waits aside, so that a
//! single request of another site does not wait behind all of it. Apart from the lane, which pays nothing for it otherwise.

use std::collections::HashMap;

use tracing::debug;

use super::Desk;
use super::arrival::Item;
use super::settle::{Gone, Settle};
use super::sources::DEFERRED;
use crate::domain::SiteId;
use crate::operations::Dependency;
use crate::rabbitmq::consumer::Tag;
use crate::wire::Outgoing;
use crate::wire::copy::{self, History, Sender};

impl Desk {
    /// Sends aside what is more than a site's share, and answers the rest.
    pub(super) async fn make_way(&self, items: Vec<Item>, settle: &mut Settle) -> Result<Vec<Item>, Gone> {
        // A copy that cannot be published would hold its place in vain: joins go on without.
        if !self.crowding.is_crowded() || !self.health.is_up(Dependency::Publishing) {
            return Ok(items);
        }
        // Nothing makes way twice.
        let sites: Vec<Option<SiteId>> =
            items.iter().map(|item| (item.tag.source != DEFERRED).then_some(item.request.site)).collect();
        let mut aside: Vec<(Tag, Outgoing)> = Vec::new();
        let mut kept = Vec::with_capacity(items.len());
        for (item, keeps) in items.into_iter().zip(keep_their_place(&sites, self.crowding.share())) {
            if keeps { kept.push(item) } else { aside.push((item.tag, self.deferred(&item))) }
        }
        if !aside.is_empty() {
            debug!(requests = aside.len(), kept = kept.len(), "requests make way for those of other sites");
            self.meters.deferred.increment(aside.len() as u64);
            settle.move_all_on(aside).await?;
        }
        Ok(kept)
    }

    /// A copy to wait aside. It is the same request still: its attempts are as they were.
    fn deferred(&self, item: &Item) -> Outgoing {
        let Item { incoming, request, .. } = item;
        let (attempts, arrived) = (request.attempts, request.received_at);
        let history = History { attempts, arrived, sender: Some(Sender::of(request)), target: request.target };
        copy::retry(incoming, &history, &self.names.internal(), self.names.deferred_key(), &self.worker_user)
    }
}

/// Which of a batch keep their place, in its order: of each site as many as are its share, and one at least. `None`: whoever
/// may not be sent aside.
fn keep_their_place(sites: &[Option<SiteId>], share: f64) -> Vec<bool> {
    #[expect(clippy::cast_precision_loss, reason = "batches have up to a thousand requests")]
    let most = (sites.len() as f64 * share).max(1.0);
    let mut kept: HashMap<SiteId, f64> = HashMap::new();
    let keeps = |site: &Option<SiteId>| {
        let Some(site) = site else { return true };
        let kept = kept.entry(*site).or_default();
        *kept += 1.0;
        *kept <= most
    };
    sites.iter().map(keeps).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::keep_their_place;
    use crate::domain::SiteId;

    const A: Option<SiteId> = Some(SiteId(Uuid::from_u128(1)));
    const B: Option<SiteId> = Some(SiteId(Uuid::from_u128(2)));

    #[test]
    fn a_site_keeps_its_share_the_first_of_it_and_whoever_is_alone_keeps_its_place() {
        let batch = [A, A, A, B, A, A, A, A];
        assert_eq!(keep_their_place(&batch, 0.25), [true, true, false, true, false, false, false, false]);
    }

    #[test]
    fn one_of_each_site_stays_however_small_the_share() {
        assert_eq!(keep_their_place(&[A, A, B, B], 0.001), [true, false, true, false]);
        assert_eq!(keep_their_place(&[A], 0.001), [true]);
        assert_eq!(keep_their_place(&[], 0.5), [] as [bool; 0]);
    }

    #[test]
    fn a_whole_share_sends_nobody_aside() {
        assert!(keep_their_place(&[A; 100], 1.0).iter().all(|keeps| *keeps));
    }

    #[test]
    fn what_made_way_before_stays_and_is_nobody_s_share() {
        assert_eq!(keep_their_place(&[None, None, None, A, A], 0.2), [true, true, true, true, false]);
    }
}
