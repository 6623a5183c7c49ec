//! Looks whether an input takes too long. Apart, because whoever hangs cannot say so.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::gauge;

/// Most time on a core for one input. Not time by the clock: on a machine that is busy otherwise it says nothing.
const MOST_ON_CORE: Duration = Duration::from_secs(1);
/// Most time by the clock: whoever waits for ever uses no core.
const MOST_BY_CLOCK: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(100);
const NONE: u64 = u64::MAX;

/// What one core is at.
pub(crate) struct Slot {
    number: usize,
    index: AtomicU64,
    thread: OnceLock<PathBuf>,
}

/// Watches all of them.
pub(crate) struct Watchdog {
    slots: Vec<Slot>,
    done: AtomicBool,
}

/// What was seen of a slot: an input, and since when.
struct Seen {
    index: u64,
    at: Instant,
    on_core: u64,
}

impl Slot {
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// The calling thread is the one to be watched.
    pub(crate) fn begin(&self) {
        self.thread.get_or_init(gauge::this_thread);
    }

    pub(crate) fn enter(&self, index: u64) {
        self.index.store(index, Ordering::Relaxed);
    }

    pub(crate) fn leave(&self) {
        self.index.store(NONE, Ordering::Relaxed);
    }

    fn look(&self) -> Seen {
        let on_core = self.thread.get().and_then(|thread| gauge::on_core(thread)).unwrap_or_default();
        Seen { index: self.index.load(Ordering::Relaxed), at: Instant::now(), on_core }
    }
}

impl Watchdog {
    pub(crate) fn new(cores: usize) -> Self {
        let slot = |number| Slot { number, index: AtomicU64::new(NONE), thread: OnceLock::new() };
        Self { slots: (0..cores).map(slot).collect(), done: AtomicBool::new(false) }
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(crate) fn rest(&self) {
        self.done.store(true, Ordering::Relaxed);
    }

    /// Looks until all is done. `hangs` is told of the first input that takes too long, and why that is.
    pub(crate) fn watch(&self, hangs: impl Fn(u64, &str)) {
        let mut seen: Vec<Seen> = self.slots.iter().map(Slot::look).collect();
        while !self.done.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK);
            for (slot, first) in self.slots.iter().zip(&mut seen) {
                let now = slot.look();
                if now.index != first.index || now.index == NONE {
                    *first = now;
                } else if Duration::from_nanos(now.on_core.saturating_sub(first.on_core)) > MOST_ON_CORE {
                    hangs(now.index, &format!("takes more than {MOST_ON_CORE:?} on a core"));
                } else if now.at - first.at > MOST_BY_CLOCK {
                    hangs(now.index, &format!("waits for more than {MOST_BY_CLOCK:?}"));
                }
            }
        }
    }
}
