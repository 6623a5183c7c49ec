//! Who calls, and who vouched for it.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use super::MemberId;

/// The kinds of identity that can call. `UNKNOWN` is not one of them: it is the absence of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdentityType {
    /// A logged-in member of the site.
    Member,
    /// A visitor who is not logged in.
    AnonymousVisitor,
    /// An owner or collaborator of the site.
    WixUser,
    /// An app acting as itself.
    App,
}

impl IdentityType {
    /// Every identity type.
    pub const ALL: [Self; 4] = [Self::Member, Self::AnonymousVisitor, Self::WixUser, Self::App];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "MEMBER",
            Self::AnonymousVisitor => "ANONYMOUS_VISITOR",
            Self::WixUser => "WIX_USER",
            Self::App => "APP",
        }
    }

    /// The field that holds this type's id in an `identity` object.
    #[must_use]
    pub const fn id_field(self) -> &'static str {
        match self {
            Self::Member => "memberId",
            Self::AnonymousVisitor => "anonymousVisitorId",
            Self::WixUser => "wixUserId",
            Self::App => "appId",
        }
    }

    /// The type that a word on the wire stands for.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// An identity: its type and its id. Written `MEMBER:<id>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// What kind of identity calls.
    pub identity_type: IdentityType,
    /// Its id.
    pub id: Uuid,
}

impl Caller {
    /// Reads the form that [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, id) = text.split_once(':')?;
        Some(Self { identity_type: IdentityType::parse(kind)?, id: Uuid::parse_str(id).ok()? })
    }

    /// `joinCommunity()` and `leaveCommunity()` take no parameter: a member who calls is the one who is meant.
    #[must_use]
    pub const fn own_member(self) -> Option<MemberId> {
        match self.identity_type {
            IdentityType::Member => Some(MemberId(self.id)),
            IdentityType::AnonymousVisitor | IdentityType::WixUser | IdentityType::App => None,
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.identity_type.as_str(), self.id)
    }
}

/// Who is answerable for a request, and so owns its request id: `token:<iss>:<identityType>:<sub>` or `producer:<user>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requester(Arc<str>);

impl Requester {
    const PRODUCER: &'static str = "producer:";
    const TOKEN: &'static str = "token:";

    /// The bearer of a session token.
    #[must_use]
    pub fn token(issuer: &str, caller: Caller) -> Self {
        Self(format!("{}{issuer}:{caller}", Self::TOKEN).into())
    }

    /// A broker user that vouches for callers.
    #[must_use]
    pub fn producer(user: &str) -> Self {
        Self(format!("{}{user}", Self::PRODUCER).into())
    }

    /// Reads a requester written by [`Requester::as_str`]. Only for text that this worker wrote itself.
    #[must_use]
    pub fn from_own_record(text: &str) -> Option<Self> {
        (text.starts_with(Self::PRODUCER) || text.starts_with(Self::TOKEN)).then(|| Self(text.into()))
    }

    /// The broker user, if a producer vouched.
    #[must_use]
    pub fn producer_user(&self) -> Option<&str> {
        self.0.strip_prefix(Self::PRODUCER)
    }

    /// The requester as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
