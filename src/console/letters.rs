//! The dead letters as the console knows them: read when somebody asks for it, and shown from memory afterwards.
//!
//! Reading takes every letter out of its queue and puts it back in its place; meanwhile nobody else sees it. So no page does
//! that by being opened, but that of a letter which is not kept, for an operator; never two at a time do; and of many only the
//! oldest are read.

mod found;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::OwnedMutexGuard;

use self::found::Gathered;
pub(super) use self::found::{Group, Line, Snapshot};
use super::failure::Failure;
use super::oldest::open_pile;
use crate::config::Broker;
use crate::rabbitmq::dead_letters::Letter;

/// Longest that a call waits for a reading; it goes on by itself.
const PATIENCE: Duration = Duration::from_secs(8);
/// A letter that is larger as JSON is for a terminal or a file.
const LONGEST_SHOWN: usize = 1024 * 1024;

/// A letter as it is shown.
type Show = fn(&Letter, Pile) -> Value;

/// Which letters are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pile {
    /// The dead letters.
    Dead,
    /// Those that were discarded and can still be restored.
    Discarded,
}

impl Pile {
    /// The queue that they lie in, as figures name it.
    pub(super) const fn queue(self) -> &'static str {
        match self {
            Self::Dead => "dead_letters",
            Self::Discarded => "discarded",
        }
    }

    /// The command that shows one of them, whichever and however large.
    pub(super) const fn command(self) -> &'static str {
        match self {
            Self::Dead => "dead-letters show",
            Self::Discarded => "dead-letters show --discarded",
        }
    }
}

/// What the last readings found.
#[derive(Default)]
struct Seen {
    dead: Option<Arc<Snapshot>>,
    discarded: Option<Arc<Snapshot>>,
}

impl Seen {
    fn of(&mut self, pile: Pile) -> &mut Option<Arc<Snapshot>> {
        match pile {
            Pile::Dead => &mut self.dead,
            Pile::Discarded => &mut self.discarded,
        }
    }
}

pub(super) struct Letters {
    broker: Arc<Broker>,
    turn: Arc<tokio::sync::Mutex<()>>,
    seen: Arc<Mutex<Seen>>,
}

impl Letters {
    pub(super) fn new(broker: &Broker) -> Self {
        Self { broker: Arc::new(broker.clone()), turn: Arc::default(), seen: Arc::default() }
    }

    /// What the last reading found.
    pub(super) fn seen(&self, pile: Pile) -> Option<Arc<Snapshot>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).of(pile).clone()
    }

    /// Reads the oldest. None if that takes longer than anybody waits: it goes on, and is seen later.
    pub(super) async fn read(&self, pile: Pile) -> Result<Option<Arc<Snapshot>>, Failure> {
        let turn = self.turn()?;
        let (broker, seen) = (Arc::clone(&self.broker), Arc::clone(&self.seen));
        // A task of its own: who gives up waiting must not leave the letters in another order.
        let reading = tokio::spawn(async move {
            let read = read_all(&broker, pile).await.map(Arc::new);
            if let Ok(read) = &read {
                *seen.lock().unwrap_or_else(PoisonError::into_inner).of(pile) = Some(Arc::clone(read));
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
        self.one(Pile::Dead, id, |letter, _| serde_json::to_value(letter.whole()).unwrap_or_default()).await
    }

    /// One letter as others are kept, from where it lies.
    pub(super) async fn masked(&self, pile: Pile, id: &str) -> Result<Option<Value>, Failure> {
        let found = self.one(pile, id, found::shown).await?;
        let size = found.as_ref().map_or(0, |letter| letter.to_string().len());
        if size > LONGEST_SHOWN {
            let text = format!("as JSON it has {size} bytes, more than {LONGEST_SHOWN}; use `{} {id}`", pile.command());
            return Err(Failure::Refused(text));
        }
        Ok(found)
    }

    async fn one(&self, pile: Pile, id: &str, show: Show) -> Result<Option<Value>, Failure> {
        let turn = self.turn()?;
        let (broker, wanted) = (Arc::clone(&self.broker), id.to_owned());
        let reading = tokio::spawn(async move {
            let found = find(&broker, pile, &wanted, show).await;
            drop(turn);
            found
        });
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(found) => found.unwrap_or_else(|_| Err(broke_down())),
            Err(_) => Err(Failure::Refused(format!("reading takes too long here; use `{} {id}`", pile.command()))),
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

/// Reads the oldest of a pile, however long that takes.
pub(super) async fn read_all(broker: &Broker, pile: Pile) -> Result<Snapshot, Failure> {
    let read_at = OffsetDateTime::now_utc();
    let mut letters = open_pile(broker, pile).await?;
    let mut gathered = Gathered::of(pile, letters.total());
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

/// Whether a text names a letter, as lists do.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

async fn find(broker: &Broker, pile: Pile, id: &str, show: Show) -> Result<Option<Value>, Failure> {
    let mut letters = open_pile(broker, pile).await?;
    let mut found = None;
    let read = async {
        while found.is_none()
            && let Some(letter) = letters.next().await?
        {
            found = (letter.id == id).then(|| show(&letter, pile));
        }
        Ok::<_, Failure>(())
    }
    .await;
    let closed = letters.close().await;
    read?;
    closed?;
    Ok(found)
}
