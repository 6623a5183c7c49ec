//! What a reading of dead letters found, as it is kept in memory. Apart from reading, which says when and how often.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::Pile;
use crate::console::unanswered::AllDied;
use crate::rabbitmq::dead_letters::{self, Groups, Letter, mask, without_personal_data};
use crate::wire::instant;

/// So many are kept one by one, the oldest; the rest is counted in its group.
const MOST_KEPT: usize = 200;
/// A letter that is larger as JSON is read anew when it is opened.
const LONGEST_KEPT: usize = 16 * 1024;

/// What a reading found.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::console) struct Snapshot {
    /// When they were read.
    read_at: String,
    /// How many there were.
    pub(in crate::console) total: u32,
    /// How many of them were read: the oldest.
    pub(in crate::console) read: u32,
    /// By reason, error and version, most first.
    pub(in crate::console) groups: Vec<Group>,
    /// The oldest of them, personal data and tokens masked.
    pub(in crate::console) letters: Vec<Line>,
    #[serde(skip)]
    whole: HashMap<String, Value>,
    /// The requests of all dead letters that were read; of discarded ones, none.
    #[serde(skip)]
    pub(in crate::console) died: AllDied,
}

/// Dead letters with the same reason and error, by the same version of the worker.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::console) struct Group {
    /// Why they are.
    pub(in crate::console) reason: String,
    /// What was wrong, in words.
    pub(in crate::console) error: String,
    /// Version of the worker that gave them up, where it says so.
    pub(in crate::console) version: Option<String>,
    /// How many.
    pub(in crate::console) count: u32,
    /// When the first was first seen.
    pub(in crate::console) first_seen: Option<String>,
    /// When the last was first seen.
    pub(in crate::console) last_seen: Option<String>,
}

impl From<dead_letters::Group> for Group {
    fn from(group: dead_letters::Group) -> Self {
        let dead_letters::Group { reason, error, version, count, first_seen, last_seen } = group;
        Self { reason, error, version, count, first_seen, last_seen }
    }
}

/// One dead letter.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::console) struct Line {
    /// Names it, as `dead-letters list` does.
    pub(in crate::console) id: String,
    /// The request's id.
    pub(in crate::console) request_id: Option<String>,
    /// Why it is one.
    pub(in crate::console) reason: String,
    /// What was wrong, in words.
    pub(in crate::console) error: String,
    /// JSON pointer to what is malformed.
    pub(in crate::console) pointer: Option<String>,
    /// How often it was on the ladder.
    pub(in crate::console) attempts: Option<u32>,
    /// When it was first seen.
    pub(in crate::console) first_seen: Option<String>,
    /// Of a discarded one: when it was, if that was noted.
    pub(in crate::console) discarded_at: Option<String>,
    /// Of a discarded one: about when it goes for good.
    pub(in crate::console) gone_at: Option<String>,
}

impl Snapshot {
    /// When it was read.
    pub(in crate::console) fn read_at(&self) -> &str {
        &self.read_at
    }

    /// One letter, personal data and tokens masked.
    pub(in crate::console) fn letter(&self, id: &str) -> Option<&Value> {
        self.whole.get(id)
    }
}

/// What is kept of letters while they are read.
pub(super) struct Gathered {
    pile: Pile,
    total: u32,
    read: u32,
    groups: Groups,
    letters: Vec<Line>,
    whole: HashMap<String, Value>,
    died: AllDied,
}

impl Gathered {
    /// Nothing yet, of a pile of `total`.
    pub(super) fn of(pile: Pile, total: u32) -> Self {
        let (groups, died) = (Groups::default(), AllDied::default());
        Self { pile, total, read: 0, groups, letters: Vec::new(), whole: HashMap::new(), died }
    }

    pub(super) fn add(&mut self, letter: &Letter) {
        self.read += 1;
        let line = line(letter, self.pile);
        self.groups.add(letter);
        if self.pile == Pile::Dead {
            self.died.add(letter);
        }
        if self.letters.len() < MOST_KEPT {
            let shown = shown(letter, self.pile);
            if shown.to_string().len() <= LONGEST_KEPT {
                self.whole.insert(line.id.clone(), shown);
            }
            self.letters.push(line);
        }
    }

    pub(super) fn snapshot(self, read_at: OffsetDateTime) -> Snapshot {
        let Self { total, read, groups, letters, whole, died, .. } = self;
        let groups = groups.most_first().into_iter().map(Group::from).collect();
        Snapshot { read_at: instant::text(read_at), total, read, groups, letters, whole, died }
    }
}

/// One letter, personal data and tokens masked.
pub(super) fn shown(letter: &Letter, pile: Pile) -> Value {
    let mut shown = letter.guarded();
    let [discarded_at, gone_at] = times(letter, pile);
    if let Some(fields) = shown.as_object_mut() {
        for (name, at) in [("discardedAt", discarded_at), ("goneAt", gone_at)] {
            fields.extend(at.map(|at| (name.to_owned(), instant::text(at).into())));
        }
    }
    shown
}

/// Of a discarded letter, when it was, and about when it goes for good. One that was restored was moved, too, and is none of
/// those any more.
fn times(letter: &Letter, pile: Pile) -> [Option<OffsetDateTime>; 2] {
    match pile {
        Pile::Dead => [None, None],
        Pile::Discarded => [letter.moved_at, letter.gone_at()],
    }
}

fn line(letter: &Letter, pile: Pile) -> Line {
    let summary = letter.summary();
    let tidy = |text: &str| without_personal_data(text).into_owned();
    let [discarded_at, gone_at] = times(letter, pile);
    let error = letter.error.as_deref().map(mask);
    Line {
        id: summary.id.to_owned(),
        request_id: summary.request_id.as_deref().map(tidy),
        reason: summary.reason.unwrap_or("unknown").to_owned(),
        error: error.as_deref().map(tidy).unwrap_or_default(),
        pointer: summary.pointer.as_deref().map(tidy),
        attempts: summary.attempts,
        first_seen: summary.first_seen.clone(),
        discarded_at: discarded_at.map(instant::text),
        gone_at: gone_at.map(instant::text),
    }
}
