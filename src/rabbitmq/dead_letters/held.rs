//! Which deliveries are still held, in their order. Separate, because there may be a million of them: neighbours are
//! kept as ranges, so that reading all of them and removing none, or nearly all, takes next to no memory.

use std::collections::BTreeMap;

/// Delivery tags as ranges: the first of each, and its last.
#[derive(Debug, Default)]
pub(super) struct Held(BTreeMap<u64, u64>);

impl Held {
    /// Holds the newest delivery. Tags only grow.
    pub(super) fn add(&mut self, tag: u64) {
        match self.0.last_entry() {
            Some(mut newest) if newest.get() + 1 == tag => *newest.get_mut() = tag,
            Some(_) | None => {
                self.0.insert(tag, tag);
            }
        }
    }

    /// Holds this one no more.
    pub(super) fn take(&mut self, tag: u64) {
        let Some((&first, &last)) = self.0.range(..=tag).next_back().filter(|(_, last)| **last >= tag) else { return };
        self.0.remove(&first);
        if first < tag {
            self.0.insert(first, tag - 1);
        }
        if tag < last {
            self.0.insert(tag + 1, last);
        }
    }

    /// All that are held, from the oldest.
    pub(super) fn tags(&self) -> impl Iterator<Item = u64> {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }
}

#[cfg(test)]
mod tests {
    use super::Held;

    #[test]
    fn what_is_held_is_what_came_and_was_not_taken_in_the_order_it_came() {
        let mut held = Held::default();
        (1..=9).for_each(|tag| held.add(tag));
        assert_eq!(held.0.len(), 1, "neighbours are one range");
        for tag in [5, 1, 9, 5, 42, 6] {
            held.take(tag);
        }
        held.add(10);
        assert_eq!(held.tags().collect::<Vec<_>>(), [2, 3, 4, 7, 8, 10]);
        (1..=10).for_each(|tag| held.take(tag));
        assert_eq!(held.tags().count(), 0);
    }
}
