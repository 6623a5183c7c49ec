//! Which change of each member was handled last. Apart, because a consumer that keeps its effect in a database keeps this
//! there as well, in the same transaction.

use std::collections::{BTreeMap, HashMap};
use std::future::ready;

use crate::domain::{MemberId, SiteId};

/// Why sequences cannot be read or kept: whatever the store says.
pub type StoreError = Box<dyn std::error::Error + Send + Sync>;

/// The highest sequence that was handled of each member.
///
/// Where the effect of an event is a row in a database, let the row hold the sequence, write it only if it is higher, and
/// answer from it here: then no crash and no second consumer comes between the two.
pub trait Sequences: Send {
    /// The highest sequence that was handled of a member; `None` if there was none.
    ///
    /// # Errors
    /// If it cannot be told.
    fn held(&mut self, site: SiteId, member: MemberId) -> impl Future<Output = Result<Option<i64>, StoreError>> + Send;

    /// A sequence of a member was handled.
    ///
    /// # Errors
    /// If that cannot be kept; the event then comes again.
    fn hold(
        &mut self,
        site: SiteId,
        member: MemberId,
        sequence: i64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// The sequences of so many members, in memory. Beyond that the one who was not heard of for longest is forgotten: an old
/// event of theirs would be handed out once more.
#[derive(Debug)]
pub struct Remembered {
    most: usize,
    held: HashMap<Key, Held>,
    /// By when they were heard of last.
    order: BTreeMap<u64, Key>,
    clock: u64,
}

type Key = (SiteId, MemberId);

#[derive(Debug)]
struct Held {
    sequence: i64,
    heard: u64,
}

/// About ten megabytes, if it comes to that.
impl Default for Remembered {
    fn default() -> Self {
        Self::most(65_536)
    }
}

impl Remembered {
    /// Remembers at most so many members, and at least one.
    #[must_use]
    pub fn most(members: usize) -> Self {
        Self { most: members.max(1), held: HashMap::new(), order: BTreeMap::new(), clock: 0 }
    }

    fn keep(&mut self, key: Key, sequence: i64) {
        self.clock += 1;
        let before = self.held.get(&key);
        let highest = before.map_or(sequence, |before| before.sequence.max(sequence));
        if let Some(before) = before {
            self.order.remove(&before.heard);
        } else if self.held.len() >= self.most
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.held.remove(&oldest);
        }
        self.held.insert(key, Held { sequence: highest, heard: self.clock });
        self.order.insert(self.clock, key);
    }
}

impl Sequences for Remembered {
    fn held(&mut self, site: SiteId, member: MemberId) -> impl Future<Output = Result<Option<i64>, StoreError>> + Send {
        ready(Ok(self.held.get(&(site, member)).map(|held| held.sequence)))
    }

    fn hold(
        &mut self,
        site: SiteId,
        member: MemberId,
        sequence: i64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.keep((site, member), sequence);
        ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{MemberId, Remembered, Sequences, SiteId};

    const SITE: SiteId = SiteId(Uuid::nil());

    fn member(number: u128) -> MemberId {
        MemberId(Uuid::from_u128(number))
    }

    #[tokio::test]
    async fn the_member_not_heard_of_for_longest_is_forgotten_first() {
        let mut remembered = Remembered::most(2);
        for (number, sequence) in [(1, 5), (2, 7), (1, 6), (3, 1)] {
            remembered.hold(SITE, member(number), sequence).await.unwrap();
        }
        let mut held = Vec::new();
        for number in [1, 2, 3] {
            held.push(remembered.held(SITE, member(number)).await.unwrap());
        }
        assert_eq!(held, [Some(6), None, Some(1)]);
    }

    #[tokio::test]
    async fn a_sequence_never_falls_and_memory_never_grows_beyond_the_members_it_is_for() {
        let mut remembered = Remembered::most(10);
        for round in 0..1_000_u32 {
            remembered.hold(SITE, member((round % 20).into()), i64::from(round)).await.unwrap();
        }
        assert_eq!((remembered.held.len(), remembered.order.len()), (10, 10));
        remembered.hold(SITE, member(19), 3).await.unwrap();
        assert_eq!(remembered.held(SITE, member(19)).await.unwrap(), Some(999));
        assert_eq!(remembered.held(SiteId(Uuid::max()), member(19)).await.unwrap(), None);
    }
}
