//! Many members, each asked for once, and the proof that nothing of them was lost and nothing happened twice. Apart,
//! because every fault ends with the same proof.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::waiting::{PATIENCE, eventually};
use super::{Events, Installation, JOINABLE, Message, Producer, subject};

/// Members of one site who want to join, each with one request.
pub(crate) struct Crowd {
    /// Their site.
    pub(crate) site: Uuid,
    /// The members.
    pub(crate) members: Vec<Uuid>,
    /// Their requests, in the same order.
    pub(crate) requests: Vec<Message>,
}

impl Installation {
    /// Makes a crowd, and sends nothing yet.
    pub(crate) async fn crowd(&self, count: usize) -> Crowd {
        let site = Uuid::new_v4();
        let members = self.members(site, JOINABLE, count).await;
        let requests = members.iter().map(|member| Message::join(site, *member)).collect();
        Crowd { site, members, requests }
    }

    /// Makes a crowd and sends all of its requests.
    pub(crate) async fn crowd_at_the_door(&self, producer: &Producer, count: usize) -> Crowd {
        let crowd = self.crowd(count).await;
        producer.send_all(&crowd.requests).await;
        crowd
    }

    /// How many of a crowd have a verdict.
    pub(crate) async fn answered(&self, crowd: &Crowd) -> usize {
        self.requests(crowd.site).await.len()
    }

    /// Waits until at least so many of a crowd have a verdict.
    pub(crate) async fn until_answered(&self, crowd: &Crowd, least: usize) {
        eventually(&format!("{least} requests have a verdict"), PATIENCE, async || match self.answered(crowd).await {
            answered if answered >= least => Ok(()),
            answered => Err(answered),
        })
        .await;
    }

    /// Proves that each of a crowd has joined, once, and that the cache is in step with it.
    pub(crate) async fn all_joined_once(&self, crowd: &Crowd) {
        self.all_recorded_once(crowd).await;
        for member in &crowd.members {
            let cached = self.cached_at(crowd.site, *member, JOINABLE.sequence + 1).await;
            assert!(cached.is_some(), "the cache holds a tombstone of {member}");
        }
    }

    /// Proves that each of a crowd has joined, once: one verdict a request, one step of the sequence a member, nothing
    /// owed any more, nothing left in the queue, and no dead letter.
    pub(crate) async fn all_recorded_once(&self, crowd: &Crowd) {
        self.until_answered(crowd, crowd.members.len()).await;
        let verdicts = self.requests(crowd.site).await;
        let mut ids: Vec<&str> = verdicts.iter().map(|verdict| verdict.request_id.as_str()).collect();
        ids.dedup();
        assert_eq!((ids.len(), verdicts.len()), (crowd.members.len(), crowd.members.len()), "verdicts, of requests");
        let others: Vec<_> = verdicts.iter().filter(|verdict| verdict.verdict != "joined").collect();
        assert!(others.is_empty(), "not joined: {others:?}");
        self.outbox_is_empty().await;
        let changed: HashSet<Uuid> = self.changed_once(crowd).await.into_iter().collect();
        let expected: HashSet<Uuid> = crowd.members.iter().copied().collect();
        assert_eq!(changed, expected, "members who are public at the next sequence");
        self.until_holds("join-community.requests", 0).await;
        assert_eq!(self.depth("join-community.dead-letters").await, 0, "dead letters");
    }

    async fn changed_once(&self, crowd: &Crowd) -> Vec<Uuid> {
        let joined = "SELECT id FROM members WHERE site_id = $1 AND privacy_status = 'PUBLIC' AND event_sequence = $2";
        let joined = sqlx::query_scalar(joined).bind(crowd.site).bind(JOINABLE.sequence + 1);
        joined.fetch_all(&mut *self.records.lock().await).await.unwrap()
    }

    /// Waits until so many messages of a queue are ready to be taken.
    pub(crate) async fn until_holds(&self, queue: &str, count: u32) {
        eventually(&format!("{queue} holds {count} messages"), PATIENCE, async || match self.depth(queue).await {
            found if found == count => Ok(()),
            found => Err(found),
        })
        .await;
    }
}

impl Events {
    /// Proves that each member of these crowds is announced, and never in two ways: a repeat has the id and the sequence
    /// of the first.
    pub(crate) async fn tell_of(&mut self, crowds: &[&Crowd]) {
        let mut missing: HashSet<Uuid> = crowds.iter().flat_map(|crowd| crowd.members.iter().copied()).collect();
        let mut ids: HashMap<Uuid, String> = HashMap::new();
        while !missing.is_empty() {
            let event = self.next().await;
            let (member, id) = (subject(&event), event.message_id().expect("an event has an id").to_owned());
            assert_eq!(event.json()["entityEventSequence"], (JOINABLE.sequence + 1).to_string());
            assert_eq!(*ids.entry(member).or_insert_with(|| id.clone()), id, "one change, two ids");
            missing.remove(&member);
        }
    }
}
