//! Why a request has no verdict, as far as the dead letters tell that were read last. Apart from what is on record: it is known
//! as of then, and not at all before somebody had them read.

use super::letters::{Pile, Snapshot};
use super::parts::Console;
use crate::rabbitmq::dead_letters::{Letter, shown_id};

/// Most letters of one request that are told.
const MOST_TOLD: usize = 10;
const ELSE: &str = "it waits on the retry ladder, was dead-lettered, was refused as unauthenticated, or is older than \
                    requests.retention";

/// A dead letter of a request.
#[derive(Clone, Debug)]
pub(super) struct Died {
    pub(super) letter: String,
    reason: &'static str,
    attempts: Option<u32>,
    history: Option<String>,
}

/// Which requests were among the dead letters that were read.
#[derive(Clone, Debug, Default)]
pub(super) struct AllDied(Vec<(String, Died)>);

/// What is known of a request without a verdict.
pub(super) struct Unanswered {
    /// In words, without its letters.
    pub(super) text: String,
    /// Its letters, each with whether it is kept and can be shown.
    pub(super) letters: Vec<(Died, bool)>,
}

impl AllDied {
    /// Adds the request of a letter, unless its id is one that is shown masked: many would be shown alike.
    pub(super) fn add(&mut self, letter: &Letter) {
        let Some(request) = letter.incoming.message_id.as_deref().filter(|id| shown_id(id) == **id) else { return };
        let (reason, history) = (letter.reason.unwrap_or("unknown"), letter.history_in_words());
        let died = Died { letter: letter.id.clone(), reason, attempts: letter.attempts, history };
        self.0.push((request.to_owned(), died));
    }

    fn of(&self, request: &str) -> impl Iterator<Item = &Died> {
        self.0.iter().filter(move |(id, _)| id == request).map(|(_, died)| died)
    }
}

impl Died {
    /// Why it is one, how often it was on the ladder, and when.
    pub(super) fn in_words(&self) -> String {
        let attempts = self.attempts.map(|attempts| format!(", attempts {attempts}")).unwrap_or_default();
        let history = self.history.as_ref().map(|words| format!(" ({words})")).unwrap_or_default();
        format!("reason {}{attempts}{history}", self.reason)
    }
}

impl Unanswered {
    fn new(request: &str, seen: Option<&Snapshot>) -> Self {
        let begin = format!("no verdict is recorded for request {request}: ");
        let Some(seen) = seen else {
            let text = format!("{begin}{ELSE}; nobody has had the dead letters read since this worker started");
            return Self { text, letters: Vec::new() };
        };
        let found = seen.died.of(request).take(MOST_TOLD);
        let letters: Vec<_> = found.map(|died| (died.clone(), seen.letter(&died.letter).is_some())).collect();
        let at = seen.read_at();
        let text = if letters.is_empty() {
            let (read, total) = (seen.read, seen.total);
            format!("{begin}{ELSE}; it is not among the {read} of {total} dead letters that were read at {at}")
        } else {
            format!("{begin}it was dead-lettered, as read at {at}")
        };
        Self { text, letters }
    }

    /// The same for the API, with where each letter is shown.
    pub(super) fn in_full(&self) -> String {
        let told = self.letters.iter().map(|(died, is_kept)| {
            let (letter, words) = (&died.letter, died.in_words());
            let place = if *is_kept { format!(", at /api/v1/dead-letters/{letter}") } else { String::new() };
            format!("letter {letter}, {words}{place}")
        });
        std::iter::once(self.text.clone()).chain(told).collect::<Vec<_>>().join("; ")
    }
}

impl Console {
    /// Why this request has no verdict.
    pub(super) fn unanswered(&self, request: &str) -> Unanswered {
        Unanswered::new(request.trim(), self.letters.seen(Pile::Dead).as_deref())
    }
}
