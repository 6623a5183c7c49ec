//! Sending one replacement, and what can go wrong with a replay. Apart from the steps, because an edited letter is sent the
//! same way.

use crate::config::Broker;
use crate::postgres::StoreError;
use crate::rabbitmq::courier::{Courier, CourierError};
use crate::rabbitmq::dead_letters::DeadLettersError;
use crate::rabbitmq::topology::Names;
use crate::rabbitmq::window::Fate;
use crate::wire::Outgoing;

/// Why a replay could not go on. What it has sent is sent, and its letters are gone; the rest lies there.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The dead letters cannot be read, or one not be removed: its replacement is confirmed, and replaying it again is safe.
    #[error(transparent)]
    Letters(#[from] DeadLettersError),
    /// The broker does not take replacements.
    #[error("dead letter {letter}: replaying it again is safe")]
    Sending {
        /// The letter.
        letter: String,
        /// What happened.
        #[source]
        source: CourierError,
    },
    /// An edited letter is not sent, and stays; why.
    #[error("nothing was sent: {0}")]
    Refused(String),
    /// Nothing is sent, because the letter could not be restored afterwards.
    #[error("nothing was sent: maybe the letter is not kept among the discarded ones; editing it again is safe")]
    Keeping(#[source] CourierError),
    /// What came back cannot be counted.
    #[error("what became of the last step cannot be told")]
    Looking(#[source] CourierError),
    /// The verdicts cannot be read.
    #[error("what became of the last step cannot be told")]
    Outcomes(#[from] StoreError),
}

/// Publishes a replacement, confirmed and routed; or says why the request queue does not have it.
pub(super) async fn send(
    courier: &mut Courier,
    broker: &Broker,
    letter: &str,
    message: Outgoing,
) -> Result<Result<(), String>, ReplayError> {
    let published = courier.publish(message).await;
    let fate = published.map_err(|source| ReplayError::Sending { letter: letter.to_owned(), source })?;
    Ok(match fate {
        Fate::Confirmed => Ok(()),
        Fate::TooLarge => Err("it is larger than any request may be".to_owned()),
        Fate::Refused | Fate::Returned => {
            let intake = Names::of(broker).intake();
            Err(format!("exchange `{intake}` does not lead to the request queue; see `topology verify`"))
        }
    })
}
