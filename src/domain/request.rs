//! A request whose sender is proven: what the rule decides on.

use time::OffsetDateTime;

use super::{Attempts, Caller, MemberId, Method, RequestId, Requester, SiteId};

/// How the caller was proven, and what that proof entitles to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A session token.
    Token {
        /// It holds the permission to act for others.
        permission: bool,
        /// It is valid but for its expiry.
        expired: bool,
    },
    /// A trusted producer, as its entry in the configuration says now.
    Producer {
        /// Its entry covers this site and identity type.
        vouches: bool,
        /// It may ask for elevated permission.
        may_elevate: bool,
    },
}

/// An authenticated request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The producer's name for this request.
    pub id: RequestId,
    /// What it asks for.
    pub method: Method,
    /// The site whose community it is about.
    pub site: SiteId,
    /// The member it is about, after defaulting to a calling member.
    pub target: Option<MemberId>,
    /// Who calls.
    pub caller: Caller,
    /// Who is answerable, and owns `id`.
    pub requester: Requester,
    /// What the body says of elevation; the body can only lower.
    pub elevated: Option<bool>,
    /// How the caller was proven.
    pub proof: Proof,
    /// SHA-256 over the meaning: what must be equal when the id is used again.
    pub digest: [u8; 32],
    /// How often the request was on the retry ladder.
    pub attempts: Attempts,
    /// When it was first seen.
    pub received_at: OffsetDateTime,
    /// W3C trace context of the producer, validated.
    pub traceparent: Option<Box<str>>,
}

impl Request {
    /// The text whose digest makes two uses of one request id the same request.
    #[must_use]
    pub fn meaning(
        method: Method,
        site: SiteId,
        target: Option<MemberId>,
        caller: Caller,
        elevated: Option<bool>,
    ) -> String {
        let method = method.as_str();
        let target = target.map(|member| member.to_string()).unwrap_or_default();
        let elevated = elevated.map_or("", |elevated| if elevated { "true" } else { "false" });
        format!("{method}-community.v1\n{site}\n{target}\n{caller}\n{elevated}")
    }

    /// The id of the trace that the request belongs to.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        self.traceparent.as_deref().and_then(|parent| parent.split('-').nth(1))
    }

    /// Whether the request asks for elevation without holding the right to it.
    #[must_use]
    pub fn oversteps(&self) -> bool {
        let entitled = match self.proof {
            Proof::Token { permission, .. } => permission,
            Proof::Producer { may_elevate, .. } => may_elevate,
        };
        self.elevated == Some(true) && !entitled
    }

    /// Whether the request acts with elevated permission.
    #[must_use]
    pub fn is_elevated(&self) -> bool {
        match self.proof {
            Proof::Token { permission, .. } => permission && self.elevated.unwrap_or(true),
            Proof::Producer { may_elevate, .. } => may_elevate && self.elevated == Some(true),
        }
    }
}
