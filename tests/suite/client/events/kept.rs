//! Sequences that are kept elsewhere than in the consumer's memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use join_community::client::{EventsError, MemberEvents, MemberId, Queue, Remembered, Sequences, SiteId, StoreError};
use tokio::time::timeout;
use uuid::Uuid;

use super::super::broker;
use super::{QUEUE, announce, event, handle};
use crate::support::{Installation, PATIENCE};

/// Sequences that outlive a consumer, in a store that may fail.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<(Known, bool)>>);

type Known = BTreeMap<(SiteId, MemberId), i64>;

impl Sequences for Store {
    async fn held(&mut self, site: SiteId, member: MemberId) -> Result<Option<i64>, StoreError> {
        let store = self.0.lock().unwrap();
        if store.1 { Err("the store is away".into()) } else { Ok(store.0.get(&(site, member)).copied()) }
    }

    async fn hold(&mut self, site: SiteId, member: MemberId, sequence: i64) -> Result<(), StoreError> {
        self.0.lock().unwrap().0.insert((site, member), sequence);
        Ok(())
    }
}

#[tokio::test]
async fn sequences_may_be_kept_elsewhere_and_then_outlive_the_consumer() {
    let installation = Installation::new().await;
    let channel = installation.channel().await;
    let broker = broker(&installation.administrator_url());
    let (store, queue) = (Store::default(), Queue::durable(QUEUE));
    let mut events = MemberEvents::connect_with(&broker, queue.clone(), store.clone()).await.unwrap();
    let (site, member) = (Uuid::new_v4(), Uuid::new_v4());
    announce(&channel, site, &event(member, 5), "5").await;
    assert_eq!(handle(&mut events).await.sequence, 5);
    drop(events);

    let mut events = MemberEvents::connect_with(&broker, queue.clone(), store.clone()).await.unwrap();
    for sequence in [5, 4, 6] {
        announce(&channel, site, &event(member, sequence), "again").await;
    }
    store.0.lock().unwrap().1 = true;
    let error = timeout(PATIENCE, events.next()).await.unwrap().err().expect("no event");
    assert!(matches!(error, EventsError::Sequences(_)), "{error:?}");
    store.0.lock().unwrap().1 = false;
    assert_eq!((handle(&mut events).await.sequence, events.dropped()), (6, 2));
    drop(events);

    // In memory nothing of it is known any more.
    let mut forgetful = MemberEvents::connect_with(&broker, queue, Remembered::most(1)).await.unwrap();
    announce(&channel, site, &event(member, 4), "4").await;
    assert_eq!(handle(&mut forgetful).await.sequence, 4);
}
