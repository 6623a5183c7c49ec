//! Why something is not answered, as pages and API say it. Separate, because both say the same.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::cache::CacheError;
use crate::postgres::StoreError;
use crate::rabbitmq::courier::CourierError;
use crate::rabbitmq::dead_letters::DeadLettersError;
use crate::replay::{EditError, MoveError, ReplayError};
use crate::telemetry::chain;

/// Why a call was not answered as asked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// One word for programs.
    error: &'static str,
    /// What is wrong, and what to do.
    message: String,
}

/// A failure, by what is to be done about it.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// What was asked for makes no sense.
    Invalid(String),
    /// There is no such thing.
    Missing(String),
    /// Not in this role.
    Forbidden(String),
    /// Not now; ask again later, or elsewhere.
    Refused(String),
    /// A service that is needed does not serve.
    Unavailable(String),
}

impl Failure {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Missing(_) => StatusCode::NOT_FOUND,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Refused(_) => StatusCode::CONFLICT,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(super) fn message(&self) -> &str {
        match self {
            Self::Invalid(text)
            | Self::Missing(text)
            | Self::Forbidden(text)
            | Self::Refused(text)
            | Self::Unavailable(text) => text,
        }
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::Missing(_) => "not_found",
            Self::Forbidden(_) => "role",
            Self::Refused(_) => "refused",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        problem(self.status(), self.word(), self.message())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(format!("the records cannot be read: {}", chain(&error)))
    }
}

impl From<CacheError> for Failure {
    fn from(error: CacheError) -> Self {
        Self::Unavailable(format!("the cache cannot be read: {}", chain(&error)))
    }
}

impl From<DeadLettersError> for Failure {
    fn from(error: DeadLettersError) -> Self {
        Self::Unavailable(format!("the dead letters cannot be read: {}", chain(&error)))
    }
}

impl From<MoveError> for Failure {
    fn from(error: MoveError) -> Self {
        Self::Unavailable(format!("not all were moved: {}", chain(&error)))
    }
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Refused(_) => Self::Invalid(error.to_string()),
            EditError::Store(error) => error.into(),
        }
    }
}

impl From<ReplayError> for Failure {
    fn from(error: ReplayError) -> Self {
        Self::Unavailable(chain(&error))
    }
}

impl From<CourierError> for Failure {
    fn from(error: CourierError) -> Self {
        Self::Unavailable(format!("nothing can be sent: {}", chain(&error)))
    }
}

/// The answer of the API to what it does not do.
pub(super) fn problem(status: StatusCode, error: &'static str, message: &str) -> Response {
    let mut answer = (status, Json(Problem { error, message: message.to_owned() })).into_response();
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    }
    answer
}
