//! What was sent, and what must come of it: all that the checker is told. Apart from sending, and written to a file where
//! a promise was broken, so that the check can be made again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A site and a member of it.
pub(crate) type Key = (Uuid, Uuid);

/// Everything that one trial sent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// Where chance began.
    pub(crate) seed: u64,
    /// The members, as they were before anything was sent.
    pub(crate) members: Vec<Member>,
    /// The requests, in the order in which they were first sent.
    pub(crate) requests: Vec<Request>,
    /// The members whose records somebody else changed meanwhile.
    pub(crate) disturbed: Vec<Key>,
    /// Requests of one member that had to be decided in this order, by their places among the requests.
    pub(crate) in_order: Vec<Vec<usize>>,
    /// What the fault itself may do to a request without breaking a promise.
    pub(crate) allowed: Allowed,
}

/// A member before the trial.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Member {
    /// Who.
    pub(crate) key: Key,
    /// Whether anybody may see the member at the start.
    pub(crate) is_public: bool,
    /// `event_sequence` at the start.
    pub(crate) sequence: i64,
}

/// A request, or what was meant to look like one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// `message_id`.
    pub(crate) id: String,
    /// Who asks, as the worker records it.
    pub(crate) requester: String,
    /// About whom.
    pub(crate) member: Key,
    /// What must come of it.
    pub(crate) expected: Expected,
    /// How often the broker has confirmed it; the same message may be sent more than once.
    pub(crate) confirmed: u32,
}

/// What must come of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Expected {
    /// `joined`, where the member is private at that time, or `already_joined`.
    Joined,
    /// `left`, where the member is public at that time, or `already_left`.
    Left,
    /// `rejected` with status, code and reason as a reply tells them.
    Rejected(Rejection),
    /// One verdict on record, whichever: the world around was not quiet.
    Any,
    /// A dead letter with reason `malformed`, and no verdict.
    Malformed,
    /// A dead letter with reason `conflict`, beside the verdict of the first request under the id.
    Conflict,
    /// Neither verdict nor dead letter: refused, answered, counted.
    Refused,
    /// A dead letter with reason `crash_loop`, and no verdict.
    CrashLoop,
}

/// Why a request is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Rejection {
    /// 401: the token was good once.
    Expired,
    /// 403.
    NotPermitted,
    /// 404.
    NotFound,
    /// 428, `SITE_CLOSED`.
    SiteClosed,
    /// 428, `BLOCKED`.
    Blocked,
}

impl Rejection {
    /// Code and reason, as they are recorded and answered.
    pub(crate) fn words(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Expired => ("UNAUTHENTICATED", Some("EXPIRED")),
            Self::NotPermitted => ("PERMISSION_DENIED", None),
            Self::NotFound => ("NOT_FOUND", None),
            Self::SiteClosed => ("COMMUNITY_JOIN_IMPOSSIBLE", Some("SITE_CLOSED")),
            Self::Blocked => ("COMMUNITY_JOIN_IMPOSSIBLE", Some("BLOCKED")),
        }
    }

    /// The status that a reply carries.
    pub(crate) fn status(self) -> i64 {
        match self {
            Self::Expired => 401,
            Self::NotPermitted => 403,
            Self::NotFound => 404,
            Self::SiteClosed | Self::Blocked => 428,
        }
    }
}

/// What a fault may do to any request.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that a fault may do, and none excludes another")]
pub(crate) struct Allowed {
    /// A request that was alone at two kills may become a dead letter `crash_loop`.
    pub(crate) crash_loops: bool,
    /// A request whose member stays locked may become a dead letter `busy`.
    pub(crate) busy: bool,
    /// Broker state was thrown away by the fault itself, so replies and events that lay in its queues may be gone.
    pub(crate) forgotten_queues: bool,
    /// The fault itself emptied the cache.
    pub(crate) forgotten_cache: bool,
}

impl Ledger {
    /// The requests by their id.
    pub(crate) fn by_id(&self) -> BTreeMap<&str, Vec<&Request>> {
        let mut found: BTreeMap<&str, Vec<&Request>> = BTreeMap::new();
        for request in &self.requests {
            found.entry(&request.id).or_default().push(request);
        }
        found
    }

    /// The ledger of what was sent by now, as if nothing were to follow.
    pub(crate) fn so_far(&self) -> Self {
        let mut some = self.clone();
        some.requests.retain(|request| request.confirmed > 0);
        some
    }

    /// The members whom something that was sent makes join.
    pub(crate) fn joiners(&self) -> BTreeSet<Key> {
        let joining = self.requests.iter().filter(|request| request.expected == Expected::Joined);
        joining.map(|request| request.member).collect()
    }

    /// Whether somebody else wrote to this member's record.
    pub(crate) fn is_disturbed(&self, key: &Key) -> bool {
        self.disturbed.contains(key)
    }

    /// Messages that the broker has confirmed.
    pub(crate) fn confirmed(&self) -> u64 {
        self.requests.iter().map(|request| u64::from(request.confirmed)).sum()
    }
}
