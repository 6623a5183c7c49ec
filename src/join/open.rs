//! Which deliveries of a lane are open, and how what is done is acknowledged in few words. Apart from settling, because
//! it is pure, and an acknowledgement too many would be a loss.

use std::collections::BTreeSet;

use crate::rabbitmq::consumer::Tag;

/// Deliveries that were taken and not settled. Those of one source are taken in the order of their numbers.
#[derive(Default)]
pub(super) struct Open {
    open: BTreeSet<Tag>,
    /// Those of them that may be acknowledged.
    done: BTreeSet<Tag>,
}

/// An acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ack {
    pub(super) tag: Tag,
    /// It is for all up to this one, of the same source.
    pub(super) multiple: bool,
}

impl Open {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// How many of them came from a source.
    pub(super) fn of(&self, source: usize) -> usize {
        let of = |number| Tag { source, number };
        self.open.range(of(0)..=of(u64::MAX)).count()
    }

    /// Notes that deliveries were taken.
    pub(super) fn taken(&mut self, tags: impl IntoIterator<Item = Tag>) {
        self.open.extend(tags);
    }

    /// Notes that a delivery may be acknowledged.
    pub(super) fn done(&mut self, tag: Tag) {
        self.done.insert(tag);
    }

    /// Notes that a delivery was settled by itself.
    pub(super) fn settled(&mut self, tag: Tag) {
        self.open.remove(&tag);
    }

    /// Whether there is anything to acknowledge.
    pub(super) fn has_done(&self) -> bool {
        !self.done.is_empty()
    }

    /// What acknowledges all that is done, which is then settled: of each source all at once up to the first delivery that is
    /// not done, one by one above it.
    pub(super) fn acknowledged(&mut self) -> Vec<Ack> {
        let mut acks: Vec<Ack> = Vec::new();
        let mut undone = self.open.difference(&self.done).peekable();
        for tag in &self.done {
            // What comes before this one and is not done stands in the way, if it is of the same source; what was in the
            // way of an earlier one still is.
            let mut blocked = acks.last().is_some_and(|last| last.tag.source == tag.source && !last.multiple);
            while let Some(before) = undone.next_if(|before| *before < tag) {
                blocked |= before.source == tag.source;
            }
            match acks.last_mut() {
                Some(last) if !blocked && last.tag.source == tag.source => last.tag = *tag,
                _ => acks.push(Ack { tag: *tag, multiple: !blocked }),
            }
        }
        for tag in std::mem::take(&mut self.done) {
            self.open.remove(&tag);
        }
        acks
    }
}

#[cfg(test)]
mod tests {
    use super::{Ack, Open};
    use crate::rabbitmq::consumer::Tag;

    fn tag(source: usize, number: u64) -> Tag {
        Tag { source, number }
    }

    fn acks(taken: &[Tag], done: &[Tag]) -> (Vec<(usize, u64, bool)>, usize) {
        let mut open = Open::default();
        open.taken(taken.iter().copied());
        for tag in done {
            open.done(*tag);
        }
        let told = |Ack { tag, multiple }: Ack| (tag.source, tag.number, multiple);
        (open.acknowledged().into_iter().map(told).collect(), open.len())
    }

    #[test]
    fn what_is_done_goes_at_once_up_to_the_first_that_is_not_and_one_by_one_above_it() {
        let all: Vec<Tag> = (1..=6).map(|number| tag(0, number)).collect();
        assert_eq!(acks(&all, &all), (vec![(0, 6, true)], 0));
        let without_three: Vec<Tag> = all.iter().copied().filter(|tag| tag.number != 3).collect();
        assert_eq!(acks(&all, &without_three), (vec![(0, 2, true), (0, 4, false), (0, 5, false), (0, 6, false)], 1));
        assert_eq!(acks(&all, &all[1..]).0.len(), 5, "nothing is acknowledged with the first, which is open");
    }

    #[test]
    fn no_source_is_acknowledged_with_another() {
        let (taken, done) = ([tag(0, 7), tag(0, 8), tag(1, 1), tag(1, 2)], [tag(0, 8), tag(1, 1), tag(1, 2)]);
        assert_eq!(acks(&taken, &done), (vec![(0, 8, false), (1, 2, true)], 1));
        let (taken, done) = ([tag(0, 7), tag(1, 1), tag(1, 2)], [tag(0, 7), tag(1, 2)]);
        assert_eq!(acks(&taken, &done), (vec![(0, 7, true), (1, 2, false)], 1));
    }

    #[test]
    fn what_is_done_counts_as_open_until_it_is_acknowledged() {
        let mut open = Open::default();
        open.taken([tag(0, 1), tag(0, 2), tag(1, 1)]);
        open.done(tag(0, 1));
        assert_eq!((open.of(0), open.of(1), open.of(2)), (2, 1, 0));
        open.acknowledged();
        assert_eq!((open.of(0), open.of(1)), (1, 1));
    }

    #[test]
    fn what_was_settled_by_itself_stands_in_nobody_s_way() {
        let mut open = Open::default();
        open.taken([tag(0, 1), tag(0, 2)]);
        open.settled(tag(0, 1));
        open.done(tag(0, 2));
        assert_eq!(open.acknowledged(), [Ack { tag: tag(0, 2), multiple: true }]);
        assert!(!open.has_done() && open.acknowledged().is_empty());
    }
}
