//! Requests: what a producer asks for, read without trust and written for those who produce.
//!
//! Decoding judges form alone. Who vouches for the caller, and whether the request is allowed, is decided elsewhere.

mod body;
mod properties;
pub(super) mod trace;

#[cfg(test)]
mod tests;

pub use self::body::{MAX_DEPTH, MAX_SIZE, NO_IDENTITY};
pub use self::properties::{MAX_AUTHORIZATION, MAX_CORRELATION_ID, MAX_TRACE};

use crate::domain::{Caller, MemberId, Method, RequestId, SiteId};

use super::pen::Object;
use super::strict::Fault;
use super::{Incoming, rule};

/// What the body says. None of it is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The site whose community it is about.
    pub site: SiteId,
    /// The member who is to join or leave. Without it, a calling member is meant.
    pub member: Option<MemberId>,
    /// Who calls, as the body claims.
    pub identity: Option<Claim>,
    /// Whether elevated permission is asked for.
    pub elevated: Option<bool>,
}

/// The caller that a body claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// An identity.
    Caller(Caller),
    /// `UNKNOWN`: there is no identity.
    Unknown,
}

/// A request of sound form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The producer's name for it.
    pub id: RequestId,
    /// What it asks for.
    pub method: Method,
    /// What its body says.
    pub body: Body,
    /// W3C trace context, valid; absent if what came was not.
    pub traceparent: Option<Box<str>>,
    /// W3C trace context, vendor part, valid; only beside a valid `traceparent`.
    pub tracestate: Option<Box<str>>,
}

/// Why a message is no request. Names the place, never what stands there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {description}")]
pub struct Malformed {
    /// JSON pointer into the body, the empty one for the body as a whole; `None` for a property or header.
    pub pointer: Option<String>,
    /// The field, property or header, as people write it.
    pub field: String,
    /// The broken rule, one of [`rule`].
    pub rule: &'static str,
    /// What is wrong and what would be right; follows the field's name in a sentence.
    pub description: String,
}

impl From<Fault> for Malformed {
    fn from(Fault { pointer, field, rule, description }: Fault) -> Self {
        Self { pointer: Some(pointer), field, rule, description: description.into_owned() }
    }
}

/// Reads a request. One pass, no more memory than the body is long, whatever the bytes.
///
/// # Errors
/// The first thing about the message that makes it no request.
pub fn decode(incoming: &Incoming) -> Result<Decoded, Malformed> {
    let (id, method) = properties::check(incoming)?;
    let body = body::read(&incoming.body)?;
    let traceparent = incoming.traceparent.as_deref().and_then(trace::parent);
    let tracestate = incoming.tracestate.as_deref().filter(|_| traceparent.is_some()).and_then(trace::state);
    Ok(Decoded { id, method, body, traceparent, tracestate })
}

/// What decoding cannot see: a caller who is no member names no target either.
#[must_use]
pub fn target_missing() -> Malformed {
    Malformed {
        pointer: Some("/memberId".to_owned()),
        field: "memberId".to_owned(),
        rule: rule::REQUIRED,
        description: "is required when the caller is not a member: name the member who is meant".to_owned(),
    }
}

/// A request to be sent, but for what it asks for: that stands beside the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The site whose community it is about.
    pub site: SiteId,
    /// The member who is to join or leave.
    pub member: Option<MemberId>,
    /// Who calls.
    pub identity: Option<Caller>,
    /// Whether elevated permission is asked for.
    pub elevated: Option<bool>,
}

impl Draft {
    /// The member it is about; `None` where only the caller's token says who that is.
    #[must_use]
    pub fn target(&self) -> Option<MemberId> {
        self.member.or_else(|| self.identity.and_then(Caller::own_member))
    }
}

/// Writes the body of a request.
#[must_use]
pub fn encode(draft: &Draft) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut body = Object::open(&mut out);
    body.guid("siteId", draft.site.0);
    if let Some(member) = draft.member {
        body.guid("memberId", member.0);
    }
    if let Some(caller) = draft.identity {
        body.value("identity").extend_from_slice(identity(caller).as_bytes());
    }
    if let Some(elevated) = draft.elevated {
        body.flag("elevated", elevated);
    }
    body.close();
    out
}

/// An `identity` object. Its words and ids need no escaping.
pub(super) fn identity(caller: Caller) -> String {
    let Caller { identity_type, id } = caller;
    format!(r#"{{"identityType":"{}","{}":"{id}"}}"#, identity_type.as_str(), identity_type.id_field())
}
