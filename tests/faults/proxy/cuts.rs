//! Where connections are to be cut, to the byte. Apart from the bytes themselves, so that which cuts are left is known at
//! any time.

use std::collections::BTreeSet;

use super::Way;

/// A connection that ends once so many bytes have passed on a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The way that is counted.
    pub(crate) way: Way,
    /// How many bytes still pass.
    pub(crate) after: usize,
}

/// Cuts that are still to be made, each on one connection.
#[derive(Debug, Default)]
pub(crate) struct Cuts {
    words: &'static str,
    greeted: [usize; 2],
    after: [BTreeSet<usize>; 2],
}

impl Cuts {
    /// Cuts on any connection up to the end of its handshake, given for both ways, and then only on those whose client has
    /// said these words.
    pub(crate) fn new(words: &'static str, greeted: [usize; 2], cuts: &[Cut]) -> Self {
        let mut after = [BTreeSet::new(), BTreeSet::new()];
        for cut in cuts {
            after[cut.way as usize].insert(cut.after);
        }
        Self { words, greeted, after }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.after.iter().map(BTreeSet::len).sum()
    }

    /// All of them.
    pub(super) fn left(&self) -> Vec<Cut> {
        let of = |way: Way| self.after[way as usize].iter().map(move |after| Cut { way, after: *after });
        of(Way::Up).chain(of(Way::Down)).collect()
    }

    /// What a client has to say to be meant.
    pub(super) fn words(&self) -> &'static str {
        self.words
    }

    /// Takes the first cut that lies among bytes of a way, their end included: what answers them never passes.
    pub(super) fn take(&mut self, way: Way, passed: usize, bytes: usize, has_said: bool) -> Option<usize> {
        let last = if has_said { passed + bytes } else { (passed + bytes).min(self.greeted[way as usize]) };
        if passed > last {
            return None;
        }
        let after = self.after[way as usize].range(passed..=last).next().copied()?;
        self.after[way as usize].remove(&after);
        Some(after - passed)
    }
}
