//! Letters moved to the discarded ones and back: in a task of its own, which comes to its end and goes on record however long
//! whoever ordered it waits, and is told of meanwhile. Apart from a replay, which decides something and can be gone on with.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{Repair, patiently};
use crate::config::Broker;
use crate::console::failure::Failure;
use crate::console::letters::Letters;
use crate::console::oldest::{Among, open};
use crate::rabbitmq::dead_letters::Selection;
use crate::replay::{Moved, count, discard, restore};
use crate::wire::instant;

/// Where letters go.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// To the discarded ones, if they are so many among the oldest.
    Discard(u32),
    /// Back to the dead letters.
    Restore,
}

/// Which letters go where.
pub(super) struct Order {
    pub(super) selection: Selection,
    /// Which they are, in words.
    pub(super) words: String,
    pub(super) way: Way,
}

/// A move of letters, and how far it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::console) struct Moving {
    /// What is done: `discard` or `restore`.
    what: &'static str,
    /// Which letters are meant.
    letters: String,
    /// Who ordered it.
    who: String,
    /// When it began.
    began: String,
    /// How many letters there are to look at; 0 until that is known.
    total: u32,
    /// How many of them were looked at.
    read: u32,
    /// What it came to, once it has ended.
    outcome: Option<String>,
}

impl Way {
    /// The word on record.
    pub(super) const fn action(self) -> &'static str {
        match self {
            Self::Discard(_) => "dead_letters.discard",
            Self::Restore => "dead_letters.restore",
        }
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Discard(_) => ("discard", "discarded"),
            Self::Restore => ("restore", "restored"),
        }
    }
}

impl Moving {
    fn new(order: &Order, who: &str) -> Self {
        Self {
            what: order.way.words().0,
            letters: order.words.clone(),
            who: who.to_owned(),
            began: instant::text(OffsetDateTime::now_utc()),
            total: 0,
            read: 0,
            outcome: None,
        }
    }

    /// Whether it goes on.
    pub(in crate::console) const fn is_running(&self) -> bool {
        self.outcome.is_none()
    }

    /// It in one line.
    pub(in crate::console) fn in_words(&self) -> String {
        let Self { what, letters, who, began, total, read, outcome } = self;
        let came = outcome.as_deref().unwrap_or("it goes on");
        format!("{what} of {letters}, by {who} at {began}: {read} of {total} looked at; {came}")
    }
}

impl Repair {
    /// The move that goes on, or the last one.
    pub(in crate::console) fn moving(&self) -> Option<Moving> {
        lock(&self.moving).clone()
    }

    /// Moves letters; `ended` hears what it came to.
    pub(super) async fn move_letters<F>(
        &self,
        letters: &Letters,
        order: Order,
        who: &str,
        ended: impl FnOnce(String) -> F + Send + 'static,
    ) -> Result<Moved, Failure>
    where
        F: Future<Output = ()> + Send,
    {
        let turn = match letters.turn() {
            Ok(turn) => turn,
            Err(failure) => {
                ended(format!("failed: {}", failure.message())).await;
                return Err(failure);
            }
        };
        let (config, shared) = (Arc::clone(&self.config), Arc::clone(&self.moving));
        *lock(&shared) = Some(Moving::new(&order, who));
        // Boxed: it is large, and handed on through several calls.
        patiently(Box::pin(async move {
            let told = |read, total| {
                if let Some(moving) = lock(&shared).as_mut() {
                    (moving.read, moving.total) = (read, total);
                }
            };
            let moved = carried_out(&config.broker, &order, told).await;
            let outcome = match &moved {
                Ok(moved) => format!("{} {}", order.way.words().1, moved.moved),
                Err(failure) => format!("failed: {}", failure.message()),
            };
            if let Some(moving) = lock(&shared).as_mut() {
                moving.outcome = Some(outcome.clone());
            }
            drop(turn);
            ended(outcome).await;
            moved
        }))
        .await
    }
}

async fn carried_out(
    broker: &Broker,
    Order { selection, way, .. }: &Order,
    told: impl FnMut(u32, u32) + Send,
) -> Result<Moved, Failure> {
    let agreed = match way {
        Way::Discard(agreed) => *agreed,
        Way::Restore => return Ok(restore(broker, selection, told).await?),
    };
    let letters = open(broker).await?;
    let among = Among::of(&letters);
    letters.leave().await;
    let meant = count(broker, selection, among.read).await?;
    if meant != agreed {
        let place = among.in_words().map(|words| format!(" {words}")).unwrap_or_default();
        return Err(Failure::Refused(format!("nothing was discarded: {meant} are meant{place}, and not {agreed}")));
    }
    Ok(discard(broker, selection, meant, among.read, told).await?)
}

fn lock(moving: &Mutex<Option<Moving>>) -> MutexGuard<'_, Option<Moving>> {
    moving.lock().unwrap_or_else(PoisonError::into_inner)
}
