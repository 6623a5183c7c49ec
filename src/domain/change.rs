//! A committed change of a member, and what is owed to the world for it. All that the two halves share.

use super::{Caller, Member, MemberId, RequestId, SiteId};

/// What made a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A request to join.
    JoinCommunity,
    /// A request to leave.
    LeaveCommunity,
    /// A writer that is not ours.
    External,
    /// An import.
    Import,
    /// Nobody knows any more: who is announced again was announced, and then forgotten by the outbox.
    Unrecorded,
}

impl Origin {
    /// Every origin that is recorded.
    pub const RECORDED: [Self; 4] = [Self::JoinCommunity, Self::LeaveCommunity, Self::External, Self::Import];

    /// The word in event and record; there is none for what is not recorded.
    #[must_use]
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::JoinCommunity => Some("join_community"),
            Self::LeaveCommunity => Some("leave_community"),
            Self::External => Some("external"),
            Self::Import => Some("import"),
            Self::Unrecorded => None,
        }
    }

    /// The origin that a word stands for.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::RECORDED.into_iter().find(|origin| origin.as_str() == Some(text))
    }
}

/// A member's newest state, owed to event consumers and cache readers.
#[derive(Clone, Debug)]
pub struct Change {
    /// The member's site.
    pub site: SiteId,
    /// The member.
    pub member_id: MemberId,
    /// The record's sequence after the change.
    pub event_sequence: i64,
    /// The record after the change; `None` where there is none (an unknown member, of whom no profile may be shown).
    pub member: Option<Member>,
    /// Whether an event is owed.
    pub event_due: bool,
    /// Whether the cache is owed an entry or a tombstone.
    pub cache_due: bool,
    /// What made the change.
    pub origin: Origin,
    /// Who caused it, where a request did.
    pub caller: Option<Caller>,
    /// The request that caused it.
    pub request_id: Option<RequestId>,
    /// The trace that it belongs to.
    pub traceparent: Option<Box<str>>,
}
