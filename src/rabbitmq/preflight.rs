//! Tries out at a broker what it tells nobody, for a person who wants to know whether it is set up rightly. Separate from
//! what serves requests, which needs to know nothing of it.

use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Connection, ErrorKind};
use tokio::time::timeout;
use uuid::Uuid;

/// Why it could not be tried out.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// The broker refuses, or the connection broke.
    #[error("it could not be tried out")]
    Broken(#[source] lapin::Error),
    /// The broker does not answer.
    #[error("the broker does not confirm within {0:?}; does it block publishers for lack of memory or disk?")]
    Silent(Duration),
}

/// Whether the broker takes a message of this size: its `max_message_size`, which no version of it tells.
///
/// What is sent goes to a queue that does not exist, so nothing is kept.
///
/// # Errors
/// If that is not known afterwards.
pub async fn takes_message_of(connection: &Connection, size: usize, limit: Duration) -> Result<bool, PreflightError> {
    const PRECONDITION_FAILED: u16 = 406;
    let tried = async {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let nowhere = format!("join-community.check.{}", Uuid::new_v4()).into();
        let body = vec![b' '; size];
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        channel.basic_publish("".into(), nowhere, options, &body, properties).await?.await?;
        channel.close(200, "tried out".into()).await
    };
    match timeout(limit, tried).await.map_err(|_| PreflightError::Silent(limit))? {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::ProtocolError(amqp) if amqp.get_id() == PRECONDITION_FAILED) => {
            Ok(false)
        }
        Err(error) => Err(PreflightError::Broken(error)),
    }
}

/// Takes leave of the broker: only politeness towards its log, so a broker that does not answer is not waited for long.
pub async fn leave(connection: Connection, limit: Duration) {
    drop(timeout(limit, connection.close(200, "checked".into())).await);
}
