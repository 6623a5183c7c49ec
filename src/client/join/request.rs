//! A request, from its building to the message that carries it.

use std::fmt;
use std::marker::PhantomData;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use uuid::Uuid;

use super::super::error::Unsent;
use crate::domain::{Caller, IdentityType, MemberId, Method, RequestId, SiteId};
use crate::wire::headers::{AUTHORIZATION, MEMBER_ID, TRACEPARENT, TRACESTATE, request_key, request_type};
use crate::wire::request::{Draft, MAX_AUTHORIZATION, MAX_TRACE, encode};

/// What a request asks for, in its type: [`Join`] or [`Leave`].
pub trait Asked: Clone + Send + Sync + 'static {
    /// The method, as the worker knows it.
    const METHOD: Method;
}

/// That a member join.
#[derive(Clone, Copy, Debug)]
pub struct Join;

/// That a member leave.
#[derive(Clone, Copy, Debug)]
pub struct Leave;

impl Asked for Join {
    const METHOD: Method = Method::Join;
}

impl Asked for Leave {
    const METHOD: Method = Method::Leave;
}

/// A request that a member join the community.
pub type JoinRequest = Request<Join>;

/// A request that a member leave the community. Made like one to join, and with an id of its own: under one id a member
/// either joins or leaves.
pub type LeaveRequest = Request<Leave>;

/// A request, [`JoinRequest`] or [`LeaveRequest`]. It has its id from the beginning: to ask again, send the same one.
///
/// Who asks is proven by the broker user that the client logs in as, where the worker's configuration trusts that user to
/// vouch for callers; or by the caller's session token.
///
/// ```
/// use join_community::client::{Caller, JoinRequest, LeaveRequest, MemberId, SiteId};
///
/// let site = SiteId("6b0e7f1a-8c0d-4f3e-9a57-2d1c4b5e6f70".parse()?);
/// let ada = MemberId("7d368843-6f0c-4037-8d0e-b7e36a8a0c32".parse()?);
///
/// // A member joins, and the client's broker user vouches for her.
/// let request = JoinRequest::member(site, ada);
/// // The bearer of a token joins.
/// let by_token = JoinRequest::bearer(site, "eyJhbGciOiJFUzI1NiJ9.e30.c2ln");
/// // An app lets a member join, with elevated permission.
/// let app = Caller::parse("APP:14bcded7-0066-7c35-14d7-466cb3f09103").ok_or("no caller")?;
/// let elevated = JoinRequest::elevated(site, ada, app);
/// // The member leaves again.
/// let leaving = LeaveRequest::member(site, ada);
///
/// assert_ne!(request.id(), elevated.id());
/// assert_ne!(request.id(), leaving.id());
/// assert_eq!(request.clone().id(), request.id());
/// assert!(!format!("{by_token:?}").contains("eyJ"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Request<A> {
    id: RequestId,
    draft: Draft,
    token: Option<Box<str>>,
    traceparent: Option<Box<str>>,
    tracestate: Option<Box<str>>,
    asked: PhantomData<A>,
}

impl<A: Asked> Request<A> {
    fn new(draft: Draft) -> Self {
        // Time-ordered ids are several times cheaper to remember.
        let id = RequestId::from(Uuid::now_v7());
        Self { id, draft, token: None, traceparent: None, tracestate: None, asked: PhantomData }
    }

    /// A member asks for themself.
    #[must_use]
    pub fn member(site: SiteId, member: MemberId) -> Self {
        let caller = Caller { identity_type: IdentityType::Member, id: member.0 };
        Self::new(Draft { site, member: Some(member), identity: Some(caller), elevated: None })
    }

    /// The bearer of a session token asks.
    #[must_use]
    pub fn bearer(site: SiteId, token: &str) -> Self {
        Self::new(Draft { site, member: None, identity: None, elevated: None }).token(token)
    }

    /// Somebody asks for a member, with elevated permission.
    #[must_use]
    pub fn elevated(site: SiteId, member: MemberId, caller: Caller) -> Self {
        Self::new(Draft { site, member: Some(member), identity: Some(caller), elevated: Some(true) })
    }

    /// With an id of your own, say that of a record of yours, so that it is the same after a restart.
    #[must_use]
    pub fn with_id(self, id: RequestId) -> Self {
        Self { id, ..self }
    }

    /// With the member who is meant: needed where the bearer of a token is no member, or means another one.
    #[must_use]
    pub fn target(mut self, member: MemberId) -> Self {
        self.draft.member = Some(member);
        self
    }

    /// Without elevated permission, also where the session token holds it: that counts unless the request says no.
    #[must_use]
    pub fn not_elevated(mut self) -> Self {
        self.draft.elevated = Some(false);
        self
    }

    /// With the caller's session token, which then is the only proof.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    /// With W3C trace context, which goes on to the worker's spans and the event.
    #[must_use]
    pub fn traceparent(self, traceparent: &str) -> Self {
        Self { traceparent: Some(traceparent.into()), ..self }
    }

    /// With the vendor part of that context; it counts beside a valid `traceparent` alone.
    #[must_use]
    pub fn tracestate(self, tracestate: &str) -> Self {
        Self { tracestate: Some(tracestate.into()), ..self }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &RequestId {
        &self.id
    }

    /// The routing key that it is sent with.
    pub(super) const fn key() -> &'static str {
        request_key(A::METHOD)
    }

    pub(super) fn body(&self) -> Vec<u8> {
        encode(&self.draft)
    }

    /// The properties that it is sent with as this broker user, for this call.
    pub(super) fn properties(&self, user: &ShortString, call: Uuid) -> Result<BasicProperties, Unsent> {
        let mut headers = FieldTable::default();
        let mut header = |name: &'static str, value: String| {
            headers.insert(name.into(), AMQPValue::LongString(LongString::from(value)));
        };
        // What all requests for a member are kept in order by.
        if let Some(member) = self.draft.target() {
            header(MEMBER_ID, member.to_string());
        }
        if let Some(token) = &self.token {
            header(AUTHORIZATION, self.within(AUTHORIZATION, MAX_AUTHORIZATION, format!("Bearer {token}"))?);
        }
        if let Some(traceparent) = &self.traceparent {
            header(TRACEPARENT, self.within(TRACEPARENT, MAX_TRACE, traceparent.to_string())?);
        }
        if let Some(tracestate) = &self.tracestate {
            header(TRACESTATE, self.within(TRACESTATE, MAX_TRACE, tracestate.to_string())?);
        }
        let properties = BasicProperties::default()
            // A request id has at most 128 characters, a short string takes 255.
            .with_message_id(ShortString::try_new(self.id.as_str()).unwrap_or_default())
            .with_correlation_id(call.to_string().into())
            .with_type(request_type(A::METHOD).into())
            .with_content_type("application/json".into())
            .with_delivery_mode(2)
            .with_headers(headers);
        // The broker refuses any user but the one logged in: that makes this word a proof.
        Ok(if self.token.is_none() { properties.with_user_id(user.clone()) } else { properties })
    }

    fn within(&self, part: &'static str, limit: usize, text: String) -> Result<String, Unsent> {
        if text.len() > limit {
            return Err(Unsent::TooLong { request: self.id.clone(), part, limit });
        }
        Ok(text)
    }
}

/// Never shows the token.
impl<A: Asked> fmt::Debug for Request<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_token = self.token.is_some();
        let name = match A::METHOD {
            Method::Join => "JoinRequest",
            Method::Leave => "LeaveRequest",
        };
        f.debug_struct(name)
            .field("id", &self.id)
            .field("draft", &self.draft)
            .field("has_token", &has_token)
            .field("traceparent", &self.traceparent)
            .field("tracestate", &self.tracestate)
            .finish()
    }
}

#[cfg(test)]
mod tests;
