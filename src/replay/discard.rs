//! Discarding and restoring: letters moved from one queue to another, each removed only when it lies in the other. Apart from
//! replaying, because nothing is decided here, and PostgreSQL need not be there.

use crate::config::Broker;
use crate::rabbitmq::courier::CourierError;
use crate::rabbitmq::dead_letters::{DeadLetters, DeadLettersError, Mover, Selection, To};

/// What was moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// How many.
    pub moved: u32,
    /// Those that cannot be moved, with why; at most a hundred are told.
    pub kept: Vec<(String, String)>,
    /// Chosen ids that no letter has.
    pub missing: Vec<String>,
    /// How many letters lay there to be looked at.
    pub total: u32,
}

/// Why letters could not be moved. Those that were moved before are.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// They cannot be read, or not be removed: a letter may then lie in both queues.
    #[error(transparent)]
    Letters(#[from] DeadLettersError),
    /// The broker does not take them.
    #[error(transparent)]
    Courier(#[from] CourierError),
}

const MOST_TOLD: usize = 100;

/// How many dead letters are meant, `among` so many of the oldest.
///
/// # Errors
/// If they cannot be read.
pub async fn count(broker: &Broker, selection: &Selection, among: u32) -> Result<u32, DeadLettersError> {
    let mut letters = DeadLetters::open(broker).await?.only_oldest(among);
    let counted = async {
        let mut count = 0;
        while let Some(letter) = letters.next().await? {
            count += u32::from(selection.takes(&letter));
        }
        Ok::<_, DeadLettersError>(count)
    }
    .await;
    let closed = letters.close().await;
    let count = counted?;
    closed?;
    Ok(count)
}

/// Which letters go where, and how many at most.
#[derive(Clone, Copy)]
struct Move<'a> {
    selection: &'a Selection,
    most: u32,
    to: To,
}

/// Moves dead letters to the discarded ones, `most` at most `among` so many of the oldest; `told` hears how many of how many
/// were read.
///
/// # Errors
/// If a service fails on the way.
pub async fn discard(
    broker: &Broker,
    selection: &Selection,
    most: u32,
    among: u32,
    told: impl FnMut(u32, u32) + Send,
) -> Result<Moved, MoveError> {
    let letters = DeadLetters::open(broker).await?.only_oldest(among);
    moved(letters, broker, Move { selection, most, to: To::Discarded }, told).await
}

/// Moves discarded letters back to the dead letters.
///
/// # Errors
/// If a service fails on the way.
pub async fn restore(
    broker: &Broker,
    selection: &Selection,
    told: impl FnMut(u32, u32) + Send,
) -> Result<Moved, MoveError> {
    let all = Move { selection, most: u32::MAX, to: To::DeadLetters };
    moved(DeadLetters::open_discarded(broker).await?, broker, all, told).await
}

async fn moved(
    mut letters: DeadLetters,
    broker: &Broker,
    order: Move<'_>,
    mut told: impl FnMut(u32, u32) + Send,
) -> Result<Moved, MoveError> {
    let done = async {
        let mut mover = Mover::connect(broker).await?;
        let done = each(&mut letters, &mut mover, order, &mut told).await;
        mover.close().await;
        done
    }
    .await;
    let closed = letters.close().await;
    let done = done?;
    closed?;
    Ok(done)
}

async fn each(
    letters: &mut DeadLetters,
    mover: &mut Mover,
    Move { selection, most, to }: Move<'_>,
    told: &mut (impl FnMut(u32, u32) + Send),
) -> Result<Moved, MoveError> {
    let mut done = Moved { total: letters.unread(), ..Moved::default() };
    let mut unmet = selection.ids.clone();
    told(0, done.total);
    while done.moved < most
        && let Some(letter) = letters.next().await?
    {
        told(done.total - letters.unread(), done.total);
        unmet.remove(&letter.id);
        if !selection.takes(&letter) {
            continue;
        }
        match mover.put(&letter, to).await? {
            Ok(()) => {
                letters.remove(&letter).await?;
                done.moved += 1;
            }
            Err(why) if done.kept.len() < MOST_TOLD => done.kept.push((letter.id.clone(), why)),
            Err(_) => {}
        }
    }
    done.missing = unmet.into_iter().collect();
    Ok(done)
}
