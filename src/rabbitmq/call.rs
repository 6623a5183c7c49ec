//! A call to the broker within a limit. `lapin` knows none: a queue without a leader would hang a lane for ever.

use std::time::Duration;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No answer came in time; the channel is to be thrown away.
    #[error("the broker did not answer within {0:?}")]
    Silent(Duration),
    /// The broker refused, or the channel is gone.
    #[error("the broker refused, or the channel is gone")]
    Failed(#[from] lapin::Error),
}

/// Makes a call, or several, within the limit.
///
/// # Errors
/// If there is no answer, or a bad one.
pub async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, lapin::Error>>) -> Result<T, CallError> {
    tokio::time::timeout(limit, call).await.map_err(|_| CallError::Silent(limit))?.map_err(CallError::Failed)
}
