//! A request, from its building to the message that carries it.

use std::fmt;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use uuid::Uuid;

use super::super::error::Unsent;
use crate::domain::Method;
use crate::domain::{Caller, IdentityType, MemberId, RequestId, SiteId};
use crate::wire::headers::{AUTHORIZATION, MEMBER_ID, TRACEPARENT, request_type};
use crate::wire::request::{Draft, MAX_AUTHORIZATION, MAX_TRACE, encode};

/// A request that a member join the community. It has its id from the beginning: to ask again, send the same one.
///
/// Who asks is proven by the broker user that the client logs in as, where the worker's configuration trusts that user to
/// vouch for callers; or by the caller's session token.
///
/// ```
/// use join_community::client::{Caller, JoinRequest, MemberId, SiteId};
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
///
/// assert_ne!(request.id(), elevated.id());
/// assert_eq!(request.clone().id(), request.id());
/// assert!(!format!("{by_token:?}").contains("eyJ"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct JoinRequest {
    id: RequestId,
    draft: Draft,
    token: Option<Box<str>>,
    traceparent: Option<Box<str>>,
}

impl JoinRequest {
    fn new(draft: Draft) -> Self {
        // Time-ordered ids are several times cheaper to remember.
        Self { id: RequestId::from(Uuid::now_v7()), draft, token: None, traceparent: None }
    }

    /// A member joins by themself.
    #[must_use]
    pub fn member(site: SiteId, member: MemberId) -> Self {
        let caller = Caller { identity_type: IdentityType::Member, id: member.0 };
        Self::new(Draft { site, member: Some(member), identity: Some(caller), elevated: None })
    }

    /// The bearer of a session token joins.
    #[must_use]
    pub fn bearer(site: SiteId, token: &str) -> Self {
        Self::new(Draft { site, member: None, identity: None, elevated: None }).token(token)
    }

    /// Somebody lets a member join, with elevated permission.
    #[must_use]
    pub fn elevated(site: SiteId, member: MemberId, caller: Caller) -> Self {
        Self::new(Draft { site, member: Some(member), identity: Some(caller), elevated: Some(true) })
    }

    /// With an id of your own, say that of a record of yours, so that it is the same after a restart.
    #[must_use]
    pub fn with_id(self, id: RequestId) -> Self {
        Self { id, ..self }
    }

    /// With the member who joins: needed where the bearer of a token is no member, or means another one.
    #[must_use]
    pub fn target(mut self, member: MemberId) -> Self {
        self.draft.member = Some(member);
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

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &RequestId {
        &self.id
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
        let properties = BasicProperties::default()
            // A request id has at most 128 characters, a short string takes 255.
            .with_message_id(ShortString::try_new(self.id.as_str()).unwrap_or_default())
            .with_correlation_id(call.to_string().into())
            .with_type(request_type(Method::Join).into())
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
impl fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_token = self.token.is_some();
        f.debug_struct("JoinRequest")
            .field("id", &self.id)
            .field("draft", &self.draft)
            .field("has_token", &has_token)
            .field("traceparent", &self.traceparent)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use lapin::types::ShortString;
    use uuid::Uuid;

    use super::super::super::error::Unsent;
    use super::JoinRequest;
    use crate::domain::{MemberId, SiteId};
    use crate::wire::request::MAX_AUTHORIZATION;

    #[test]
    fn a_token_takes_the_place_of_the_brokers_word() {
        let (site, user) = (SiteId(Uuid::nil()), ShortString::from("shop"));
        let vouched = JoinRequest::member(site, MemberId(Uuid::nil())).properties(&user, Uuid::nil()).unwrap();
        assert_eq!(vouched.user_id().as_ref(), Some(&user));
        let by_token = JoinRequest::bearer(site, "x.y.z").properties(&user, Uuid::nil()).unwrap();
        assert_eq!(by_token.user_id().as_ref(), None);
    }

    #[test]
    fn a_token_that_is_too_long_is_refused_before_it_can_end_the_connection() {
        let request = JoinRequest::bearer(SiteId(Uuid::nil()), &"x".repeat(MAX_AUTHORIZATION - "Bearer ".len() + 1));
        let refused = request.properties(&"shop".into(), Uuid::nil());
        assert!(matches!(refused, Err(Unsent::TooLong { part: "authorization", .. })), "{refused:?}");
    }
}
