//! The answer to a request, read from the reply that carries it.

use std::fmt;

use lapin::message::Delivery;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::error::JoinError;
use super::super::headers;
use super::super::member::{Member, place};
use crate::domain::RequestId;

/// A reply as it came.
pub(super) struct Reply {
    status: Option<i64>,
    body: Vec<u8>,
}

/// What the worker says no with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Code {
    /// The request cannot be read, or its id was used for another one: see [`Refusal::violations`].
    InvalidArgument,
    /// The caller is not proven: send a valid token, or log in as a broker user that may vouch for them.
    Unauthenticated,
    /// The caller may not: ask as the member who is meant, or with elevated permission.
    PermissionDenied,
    /// The site has no such member. It takes the worker 36 s to say so, longer than a call has by default: see
    /// [`JoinCommunity::within`](super::JoinCommunity::within).
    NotFound,
    /// The state of the site or the member forbids joining: [`Refusal::reason`] says which. Nothing forbids leaving.
    JoinImpossible,
    /// A word that this version does not know.
    Other(Box<str>),
}

impl Code {
    fn of(word: &str) -> Self {
        match word {
            "INVALID_ARGUMENT" => Self::InvalidArgument,
            "UNAUTHENTICATED" => Self::Unauthenticated,
            "PERMISSION_DENIED" => Self::PermissionDenied,
            "NOT_FOUND" => Self::NotFound,
            "COMMUNITY_JOIN_IMPOSSIBLE" => Self::JoinImpossible,
            other => Self::Other(other.into()),
        }
    }

    /// The word on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::NotFound => "NOT_FOUND",
            Self::JoinImpossible => "COMMUNITY_JOIN_IMPOSSIBLE",
            Self::Other(word) => word,
        }
    }
}

/// A no, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The request.
    pub request: RequestId,
    /// The status, as HTTP counts them.
    pub status: u16,
    /// What programs decide by.
    pub code: Code,
    /// Why, in a word: `SITE_CLOSED`, `PENDING`, `BLOCKED`, `OFFLINE`, `EXPIRED` and others.
    pub reason: Option<Box<str>>,
    /// What happened, for people.
    pub message: Box<str>,
    /// What to do about it, for people.
    pub description: Option<Box<str>>,
    /// What is wrong with the request, if it is that.
    pub violations: Vec<Violation>,
}

/// A field of a request, and the rule that it breaks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Violation {
    /// The field of the body, or the property.
    pub field: Box<str>,
    /// What is wrong with it, for people.
    pub description: Box<str>,
    /// The rule, a word: `REQUIRED`, `FORMAT`, `REQUEST_ID_REUSED` and others.
    pub violated_rule: Box<str>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, status, code, reason, message, .. } = self;
        write!(f, "{status} {}", code.as_str())?;
        if let Some(reason) = reason {
            write!(f, " {reason}")?;
        }
        write!(f, " to request {request}: {message}")
    }
}

#[derive(Deserialize)]
struct Success {
    member: Member,
}

#[derive(Deserialize)]
struct No {
    message: Box<str>,
    details: Details,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    application_error: Option<ApplicationError>,
    validation_error: Option<ValidationError>,
}

#[derive(Deserialize)]
struct ApplicationError {
    code: Box<str>,
    description: Option<Box<str>>,
    #[serde(default)]
    data: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ValidationError {
    #[serde(default)]
    field_violations: Vec<Violation>,
}

impl Reply {
    /// The reply that a delivery is, and the call that it belongs to.
    pub(super) fn of(delivery: Delivery) -> Option<(Uuid, Self)> {
        let call = delivery.properties.correlation_id().as_ref()?.as_str().parse().ok()?;
        Some((call, Self { status: headers::integer(&delivery.properties, "status"), body: delivery.data }))
    }

    /// What it says.
    pub(super) fn read(&self, request: &RequestId) -> Result<Member, JoinError> {
        let malformed = |why: String| JoinError::Malformed { request: request.clone(), why };
        let status = self.status.ok_or_else(|| malformed("it has no header `status`".to_owned()))?;
        match u16::try_from(status) {
            Ok(200) => {
                let read = serde_json::from_slice::<Success>(&self.body);
                read.map(|success| success.member).map_err(|error| malformed(place(&error)))
            }
            Ok(status @ 400..=499) => {
                let no: No = serde_json::from_slice(&self.body).map_err(|error| malformed(place(&error)))?;
                let refusal = refusal(request, status, no);
                Err(refusal.map_or_else(
                    || malformed("it says no without a reason".to_owned()),
                    |refusal| JoinError::Refused(Box::new(refusal)),
                ))
            }
            Ok(_) | Err(_) => Err(malformed(format!("its status is {status}"))),
        }
    }
}

fn refusal(request: &RequestId, status: u16, no: No) -> Option<Refusal> {
    let No { message, details } = no;
    let told = |code, reason, description, violations| Refusal {
        request: request.clone(),
        status,
        code,
        reason,
        message,
        description,
        violations,
    };
    match details {
        Details { application_error: Some(ApplicationError { code, description, data }), .. } => {
            let reason = data.get("reason").and_then(Value::as_str).map(Into::into);
            Some(told(Code::of(&code), reason, description, Vec::new()))
        }
        Details { validation_error: Some(ValidationError { field_violations }), application_error: None } => {
            Some(told(Code::InvalidArgument, None, None, field_violations))
        }
        Details { validation_error: None, application_error: None } => None,
    }
}

#[cfg(test)]
mod tests;
