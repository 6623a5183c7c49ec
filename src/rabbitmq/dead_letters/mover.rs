//! Moves dead letters to the discarded ones and back. Separate from reading, because it publishes, as the worker's user.

use time::OffsetDateTime;

use super::letter::Letter;
use super::moved::wrapped;
use crate::config;
use crate::rabbitmq::address::Address;
use crate::rabbitmq::connect::ConnectError;
use crate::rabbitmq::courier::{Courier, CourierError};
use crate::rabbitmq::topology::Names;
use crate::rabbitmq::window::Fate;

/// Where a letter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// To those that go for good after a while.
    Discarded,
    /// Back to the dead letters.
    DeadLetters,
}

/// Moves letters.
pub struct Mover {
    courier: Courier,
    names: Names,
    worker_user: String,
}

impl Mover {
    /// Connects as the worker's user.
    ///
    /// # Errors
    /// If there is no connection.
    pub async fn connect(broker: &config::Broker) -> Result<Self, CourierError> {
        let worker_user = Address::parse(&broker.url).map_err(ConnectError::from)?.user().to_owned();
        let courier = Courier::connect(&broker.url, "join-community dead-letters", broker).await?;
        Ok(Self { courier, names: Names::of(broker), worker_user })
    }

    /// Publishes the letter where it is to go; or says why it cannot go there. It is removed from where it lies by whoever
    /// read it, and only after this.
    ///
    /// # Errors
    /// If it is not known whether it lies there.
    pub async fn put(&mut self, letter: &Letter, to: To) -> Result<Result<(), String>, CourierError> {
        let (key, queue) = match to {
            To::Discarded => (self.names.discarded_key(), self.names.discarded()),
            To::DeadLetters => (self.names.dead_letter_key(), self.names.dead_letters()),
        };
        let Some(properties) = wrapped(letter.properties(), &self.worker_user, OffsetDateTime::now_utc()) else {
            return Ok(Err("its headers are larger than a message of ours may have".to_owned()));
        };
        let internal = self.names.internal();
        let fate = self.courier.forward((&internal, key), properties, &letter.incoming.body).await?;
        Ok(match fate {
            Fate::Confirmed => Ok(()),
            Fate::TooLarge => Err("it is larger than a message of ours may be".to_owned()),
            Fate::Refused => Err(format!("queue `{queue}` does not take it")),
            Fate::Returned => Err(format!("queue `{queue}` is missing or not bound; `topology declare` creates it")),
        })
    }

    /// Takes leave of the broker.
    pub async fn close(self) {
        self.courier.close().await;
    }
}
