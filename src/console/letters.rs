//! The dead letters as the console knows them: read when somebody asks for it, and shown from memory afterwards.
//!
//! Reading takes every letter out of its queue and puts it back in its place; meanwhile nobody else sees it. So no page does
//! that by being opened, never two at a time do, and of many only the oldest are read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::OwnedMutexGuard;
use utoipa::ToSchema;

use super::failure::Failure;
use super::oldest::open;
use super::unanswered::AllDied;
use crate::config::Broker;
use crate::rabbitmq::dead_letters::{self, Groups, Letter, mask, without_personal_data};
use crate::wire::instant;

/// So many are kept one by one, the oldest; the rest is counted in its group.
const MOST_KEPT: usize = 200;
/// A letter that is larger as JSON is shown by `dead-letters show`.
const LONGEST_KEPT: usize = 16 * 1024;
/// Longest that a call waits for a reading; it goes on by itself.
const PATIENCE: Duration = Duration::from_secs(8);

/// What a reading found.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Snapshot {
    /// When they were read.
    read_at: String,
    /// How many there were.
    pub(super) total: u32,
    /// How many of them were read: the oldest.
    pub(super) read: u32,
    /// By reason and error, most first.
    pub(super) groups: Vec<Group>,
    /// The oldest of them, personal data and tokens masked.
    pub(super) letters: Vec<Line>,
    #[serde(skip)]
    whole: HashMap<String, Value>,
    /// The requests of all that were read.
    #[serde(skip)]
    pub(super) died: AllDied,
}

/// Dead letters with the same reason and error.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group {
    /// Why they are.
    pub(super) reason: String,
    /// What was wrong, in words.
    pub(super) error: String,
    /// How many.
    pub(super) count: u32,
    /// When the first was first seen.
    pub(super) first_seen: Option<String>,
    /// When the last was first seen.
    pub(super) last_seen: Option<String>,
}

impl From<dead_letters::Group> for Group {
    fn from(dead_letters::Group { reason, error, count, first_seen, last_seen }: dead_letters::Group) -> Self {
        Self { reason, error, count, first_seen, last_seen }
    }
}

/// One dead letter.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    /// Names it, as `dead-letters list` does.
    pub(super) id: String,
    /// The request's id.
    pub(super) request_id: Option<String>,
    /// Why it is one.
    pub(super) reason: String,
    /// What was wrong, in words.
    pub(super) error: String,
    /// JSON pointer to what is malformed.
    pub(super) pointer: Option<String>,
    /// How often it was on the ladder.
    pub(super) attempts: Option<u32>,
    /// When it was first seen.
    pub(super) first_seen: Option<String>,
}

impl Snapshot {
    /// When it was read.
    pub(super) fn read_at(&self) -> &str {
        &self.read_at
    }

    /// One letter, personal data and tokens masked.
    pub(super) fn letter(&self, id: &str) -> Option<&Value> {
        self.whole.get(id)
    }
}

pub(super) struct Letters {
    broker: Arc<Broker>,
    turn: Arc<tokio::sync::Mutex<()>>,
    seen: Arc<Mutex<Option<Arc<Snapshot>>>>,
}

impl Letters {
    pub(super) fn new(broker: &Broker) -> Self {
        Self { broker: Arc::new(broker.clone()), turn: Arc::default(), seen: Arc::default() }
    }

    /// What the last reading found.
    pub(super) fn seen(&self) -> Option<Arc<Snapshot>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads them all. None if that takes longer than anybody waits: it goes on, and is seen later.
    pub(super) async fn read(&self) -> Result<Option<Arc<Snapshot>>, Failure> {
        let turn = self.turn()?;
        let (broker, seen) = (Arc::clone(&self.broker), Arc::clone(&self.seen));
        // A task of its own: who gives up waiting must not leave the letters in another order.
        let reading = tokio::spawn(async move {
            let read = read_all(&broker).await.map(Arc::new);
            if let Ok(read) = &read {
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(read));
            }
            drop(turn);
            read
        });
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(read) => read.unwrap_or_else(|_| Err(broke_down())).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// One letter with what is masked elsewhere, but for tokens: those nobody sees.
    pub(super) async fn unmasked(&self, id: &str) -> Result<Option<Value>, Failure> {
        let turn = self.turn()?;
        let (broker, id) = (Arc::clone(&self.broker), id.to_owned());
        let reading = tokio::spawn(async move {
            let found = find(&broker, &id).await;
            drop(turn);
            found
        });
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(found) => found.unwrap_or_else(|_| Err(broke_down())),
            Err(_) => Err(Failure::Refused("reading takes too long here; use `dead-letters show`".to_owned())),
        }
    }

    /// The right to read them; whoever has it has them to themself, as far as this worker goes.
    pub(super) fn turn(&self) -> Result<OwnedMutexGuard<()>, Failure> {
        let turn = Arc::clone(&self.turn).try_lock_owned();
        turn.map_err(|_| Failure::Refused("they are being read already; look again in a moment".to_owned()))
    }
}

fn broke_down() -> Failure {
    Failure::Unavailable("reading the dead letters broke down; the log says how".to_owned())
}

async fn read_all(broker: &Broker) -> Result<Snapshot, Failure> {
    let read_at = OffsetDateTime::now_utc();
    let mut letters = open(broker).await?;
    let mut gathered = Gathered { total: letters.total(), ..Gathered::default() };
    let read = async {
        while let Some(letter) = letters.next().await? {
            gathered.add(&letter);
        }
        Ok::<_, Failure>(())
    }
    .await;
    let closed = letters.close().await;
    read?;
    closed?;
    Ok(gathered.snapshot(read_at))
}

async fn find(broker: &Broker, id: &str) -> Result<Option<Value>, Failure> {
    let mut letters = open(broker).await?;
    let mut found = None;
    let read = async {
        while found.is_none()
            && let Some(letter) = letters.next().await?
        {
            found = (letter.id == id).then(|| serde_json::to_value(letter.whole()).unwrap_or_default());
        }
        Ok::<_, Failure>(())
    }
    .await;
    let closed = letters.close().await;
    read?;
    closed?;
    Ok(found)
}

#[derive(Default)]
struct Gathered {
    total: u32,
    read: u32,
    groups: Groups,
    letters: Vec<Line>,
    whole: HashMap<String, Value>,
    died: AllDied,
}

impl Gathered {
    fn add(&mut self, letter: &Letter) {
        self.read += 1;
        let line = line(letter);
        self.groups.add(letter);
        self.died.add(letter);
        if self.letters.len() < MOST_KEPT {
            let guarded = letter.guarded();
            if guarded.to_string().len() <= LONGEST_KEPT {
                self.whole.insert(line.id.clone(), guarded);
            }
            self.letters.push(line);
        }
    }

    fn snapshot(self, read_at: OffsetDateTime) -> Snapshot {
        let Self { total, read, groups, letters, whole, died } = self;
        let groups = groups.most_first().into_iter().map(Group::from).collect();
        Snapshot { read_at: instant::text(read_at), total, read, groups, letters, whole, died }
    }
}

fn line(letter: &Letter) -> Line {
    let summary = letter.summary();
    let tidy = |text: &str| without_personal_data(text).into_owned();
    let error = letter.error.as_deref().map(mask);
    Line {
        id: summary.id.to_owned(),
        request_id: summary.request_id.as_deref().map(tidy),
        reason: summary.reason.unwrap_or("unknown").to_owned(),
        error: error.as_deref().map(tidy).unwrap_or_default(),
        pointer: summary.pointer.as_deref().map(tidy),
        attempts: summary.attempts,
        first_seen: summary.first_seen.clone(),
    }
}
