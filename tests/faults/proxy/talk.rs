//! What is said on one connection, and what becomes of each piece of it. No byte is moved here, so every decision is made
//! in one place and in one order.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Network, Shared, Way};

/// So much of a connection's beginning is remembered.
const REMEMBERED: usize = 128 * 1024;
/// How the worker's driver names the statements that it prepares; a number follows.
const NAME: &[u8] = b"sqlx_s_";

/// What was said, piece by piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said(Vec<(Way, Vec<u8>)>);

impl Said {
    /// Bytes of both ways before the first piece on its way to the service that holds these words.
    pub(crate) fn before(&self, words: &[u8]) -> Option<[usize; 2]> {
        let mut at = [0; 2];
        for (way, bytes) in &self.0 {
            if *way == Way::Up && holds(bytes, words) {
                return Some(at);
            }
            at[*way as usize] += bytes.len();
        }
        None
    }

    /// Bytes of both ways up to the end of the piece that holds the last of these words; each stand in a piece of their
    /// own, one after the other.
    pub(crate) fn after(&self, all: &[(Way, &[u8])]) -> Option<[usize; 2]> {
        let mut at = [0; 2];
        let mut wanted = all.iter().peekable();
        for (way, bytes) in &self.0 {
            at[*way as usize] += bytes.len();
            wanted.next_if(|(from, words)| from == way && holds(bytes, words));
            if wanted.peek().is_none() {
                return Some(at);
            }
        }
        None
    }
}

/// One connection.
pub(super) struct Talk {
    shared: Arc<Shared>,
    said: Arc<Mutex<Said>>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    passed: [usize; 2],
    has_said: bool,
    /// Bytes of both ways until it is reset, once the network is torn.
    tears_after: Option<usize>,
    loss: Loss,
}

/// What is known of the statement whose answer is to be lost.
#[derive(Default)]
struct Loss {
    /// Its name, once it was prepared, as it stands where it is run.
    run: Option<Vec<u8>>,
    /// Whether it was asked for, and the next thing answered is lost.
    is_asked: bool,
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.shared.state().open -= 1;
    }
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Bytes that still pass.
    pub(super) after: usize,
    /// Whether it is reset, and what is under way with it.
    pub(super) reset: bool,
}

impl Talk {
    pub(super) fn new(shared: &Arc<Shared>) -> Arc<Self> {
        let said = Arc::new(Mutex::new(Said::default()));
        let mut state = shared.state();
        state.said.push(Arc::clone(&said));
        state.open += 1;
        drop(state);
        Arc::new(Self { shared: Arc::clone(shared), said, progress: Mutex::default() })
    }

    /// Hears what is about to pass, and says whether the connection ends with it.
    pub(super) fn hear(&self, network: Network, way: Way, bytes: &[u8]) -> Option<End> {
        self.remember(way, bytes);
        let mut state = self.shared.state();
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if way == Way::Up && holds(bytes, state.cuts.words().as_bytes()) {
            progress.has_said = true;
        }
        let (passed, has_said) = (progress.passed[way as usize], progress.has_said);
        progress.passed[way as usize] += bytes.len();
        let cut = state.cuts.take(way, passed, bytes.len(), has_said).map(|after| End { after, reset: false });
        let end = cut.or_else(|| match network {
            Network::Torn(mean) => {
                let left = *progress.tears_after.get_or_insert_with(|| 1 + state.dice.below(2 * mean));
                progress.tears_after = Some(left.saturating_sub(bytes.len()));
                (left <= bytes.len()).then_some(End { after: left, reset: true })
            }
            Network::Unanswered(words) => {
                progress.loss.advance(words, way, bytes).then_some(End { after: 0, reset: false })
            }
            Network::Good | Network::Refusing | Network::Slow(_) | Network::Narrow(_) | Network::Hung(_) => None,
        });
        state.broken += u64::from(end.is_some());
        end
    }

    /// The network broke it off from outside.
    pub(super) fn broke(&self) {
        self.shared.state().broken += 1;
    }

    fn remember(&self, way: Way, bytes: &[u8]) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.0.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() < REMEMBERED {
            said.0.push((way, bytes.to_vec()));
        }
    }
}

impl Loss {
    /// Follows the talk. Answers whether this answers a run of the statement.
    fn advance(&mut self, words: &str, way: Way, bytes: &[u8]) -> bool {
        if way == Way::Down {
            return self.is_asked;
        }
        if let Some(at) = position(bytes, words.as_bytes()) {
            // A statement is prepared as `P`, length, name, NUL, text. What is run is named after an empty portal, so NULs
            // stand on both sides.
            let names = bytes[..at].windows(NAME.len()).rposition(|some| some == NAME);
            let name = names.map(|start| bytes[start..at].split(|byte| *byte == 0).next().unwrap_or_default());
            self.run = name.map(|name| [b"\0", name, b"\0"].concat());
        } else if self.run.as_ref().is_some_and(|run| holds(bytes, run)) {
            self.is_asked = true;
        }
        false
    }
}

/// Whether words stand somewhere among bytes; no words stand nowhere.
pub(super) fn holds(bytes: &[u8], words: &[u8]) -> bool {
    position(bytes, words).is_some()
}

fn position(bytes: &[u8], words: &[u8]) -> Option<usize> {
    if words.is_empty() { None } else { bytes.windows(words.len()).position(|some| some == words) }
}
