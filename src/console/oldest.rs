//! The oldest dead letters, which are all that the console reads where there are many. Apart, because reading, finding one, a
//! dry run and discarding are about the same ones.

use secrecy::ExposeSecret as _;

use super::failure::Failure;
use super::letters::Pile;
use crate::config::Broker;
use crate::rabbitmq::dead_letters::DeadLetters;

/// So many are read, the oldest; `dead-letters list` reads all.
const MOST_READ: u32 = 2_000;

/// What is not among those that are read.
pub(super) fn missing() -> Failure {
    missing_in(Pile::Dead)
}

/// The same of any pile.
pub(super) fn missing_in(pile: Pile) -> Failure {
    let name = match pile {
        Pile::Dead => "dead letter",
        Pile::Discarded => "discarded letter",
    };
    Failure::Missing(format!("no such {name} is among the oldest {MOST_READ}; `dead-letters` commands read all"))
}

/// Among which an action by filter, or on all, looks for what it is about.
pub(super) struct Among {
    /// How many there are.
    pub(super) total: u32,
    /// How many of them are read, the oldest.
    pub(super) read: u32,
}

impl Among {
    pub(super) const fn of(letters: &DeadLetters) -> Self {
        let total = letters.total();
        Self { total, read: if total < MOST_READ { total } else { MOST_READ } }
    }

    /// In words, if not all are read.
    pub(super) fn in_words(&self) -> Option<String> {
        let Self { total, read } = self;
        (read < total).then(|| format!("among the oldest {read} of {total}"))
    }
}

/// Begins to read the oldest dead letters.
pub(super) async fn open(broker: &Broker) -> Result<DeadLetters, Failure> {
    open_pile(broker, Pile::Dead).await
}

/// Begins to read the oldest of a pile.
pub(super) async fn open_pile(broker: &Broker, pile: Pile) -> Result<DeadLetters, Failure> {
    if broker.operator_url.expose_secret().is_empty() {
        let text = "broker.operator_url is empty: it names the broker user who may read dead letters";
        return Err(Failure::Refused(text.to_owned()));
    }
    let letters = match pile {
        Pile::Dead => DeadLetters::open(broker).await?,
        Pile::Discarded => DeadLetters::open_discarded(broker).await?,
    };
    Ok(letters.only_oldest(MOST_READ))
}
