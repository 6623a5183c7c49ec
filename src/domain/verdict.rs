//! The rule: what a request comes to, given what stands recorded. The only place that knows it.

use super::{Gate, IdentityType, Member, Method, PrivacyStatus, Proof, Request, Status};

/// What a request came to. A rejection is a result, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The member became public.
    Joined,
    /// The member was public already.
    AlreadyJoined,
    /// The member became private.
    Left,
    /// The member was private already.
    AlreadyLeft,
    /// The request was refused.
    Rejected(Rejection),
}

/// Why a proven request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The token is valid but for its expiry.
    Expired,
    /// The caller may not act for this member.
    PermissionDenied,
    /// There is no such member.
    NotFound,
    /// The state of site or member forbids it.
    Impossible(Impossible),
}

/// What state forbids joining. None forbids leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impossible {
    /// The site lets nobody be public.
    SiteClosed,
    /// The member waits for approval.
    Pending,
    /// The member is blocked.
    Blocked,
    /// The member cannot log in any more.
    Offline,
}

impl Verdict {
    /// The verdict as one word, in record, metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::AlreadyJoined => "already_joined",
            Self::Left => "left",
            Self::AlreadyLeft => "already_left",
            Self::Rejected(_) => "rejected",
        }
    }

    /// The code of a rejection, as replies and record spell it.
    #[must_use]
    pub const fn code(self) -> Option<&'static str> {
        match self {
            Self::Joined | Self::AlreadyJoined | Self::Left | Self::AlreadyLeft => None,
            Self::Rejected(Rejection::Expired) => Some("UNAUTHENTICATED"),
            Self::Rejected(Rejection::PermissionDenied) => Some("PERMISSION_DENIED"),
            Self::Rejected(Rejection::NotFound) => Some("NOT_FOUND"),
            Self::Rejected(Rejection::Impossible(_)) => Some("COMMUNITY_JOIN_IMPOSSIBLE"),
        }
    }

    /// What `data.reason` of a reply says.
    #[must_use]
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Rejected(Rejection::Expired) => Some("EXPIRED"),
            Self::Rejected(Rejection::Impossible(Impossible::SiteClosed)) => Some("SITE_CLOSED"),
            Self::Rejected(Rejection::Impossible(Impossible::Pending)) => Some("PENDING"),
            Self::Rejected(Rejection::Impossible(Impossible::Blocked)) => Some("BLOCKED"),
            Self::Rejected(Rejection::Impossible(Impossible::Offline)) => Some("OFFLINE"),
            Self::Joined
            | Self::AlreadyJoined
            | Self::Left
            | Self::AlreadyLeft
            | Self::Rejected(Rejection::PermissionDenied | Rejection::NotFound) => None,
        }
    }

    /// The status of the reply.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Joined | Self::AlreadyJoined | Self::Left | Self::AlreadyLeft => 200,
            Self::Rejected(Rejection::Expired) => 401,
            Self::Rejected(Rejection::PermissionDenied) => 403,
            Self::Rejected(Rejection::NotFound) => 404,
            Self::Rejected(Rejection::Impossible(_)) => 428,
        }
    }

    /// Reads a recorded verdict back from its three words.
    #[must_use]
    pub fn from_record(verdict: &str, code: Option<&str>, reason: Option<&str>) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == verdict && known.code() == code && known.reason() == reason)
    }

    /// Every verdict there is.
    pub const ALL: [Self; 11] = [
        Self::Joined,
        Self::AlreadyJoined,
        Self::Left,
        Self::AlreadyLeft,
        Self::Rejected(Rejection::Expired),
        Self::Rejected(Rejection::PermissionDenied),
        Self::Rejected(Rejection::NotFound),
        Self::Rejected(Rejection::Impossible(Impossible::SiteClosed)),
        Self::Rejected(Rejection::Impossible(Impossible::Pending)),
        Self::Rejected(Rejection::Impossible(Impossible::Blocked)),
        Self::Rejected(Rejection::Impossible(Impossible::Offline)),
    ];

    /// The state that this verdict brings the member to; `None` if the record stays as it is.
    #[must_use]
    pub const fn leads_to(self) -> Option<PrivacyStatus> {
        match self {
            Self::Joined => Some(PrivacyStatus::Public),
            Self::Left => Some(PrivacyStatus::Private),
            Self::AlreadyJoined | Self::AlreadyLeft | Self::Rejected(_) => None,
        }
    }

    /// Whether the cache is owed a tombstone because of this verdict, which changes nothing.
    #[must_use]
    pub const fn owes_tombstone(self) -> bool {
        match self {
            Self::Rejected(
                Rejection::NotFound
                | Rejection::Impossible(Impossible::Pending | Impossible::Blocked | Impossible::Offline),
            ) => true,
            Self::Joined
            | Self::AlreadyJoined
            | Self::Left
            | Self::AlreadyLeft
            | Self::Rejected(
                Rejection::Expired | Rejection::PermissionDenied | Rejection::Impossible(Impossible::SiteClosed),
            ) => false,
        }
    }
}

/// A verdict that stands recorded under a request's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Digest of the request it was given to.
    pub digest: [u8; 32],
    /// The verdict.
    pub verdict: Verdict,
}

/// What stands recorded when a request is decided.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// The verdict already given under this key.
    pub recorded: Option<Recorded>,
    /// The target's record, a tombstone included.
    pub member: Option<Member>,
    /// The site's gate.
    pub gate: Gate,
}

/// What is to be done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Record this verdict, then answer it.
    Decided(Verdict),
    /// Answer the verdict that stands recorded.
    Repeat(Verdict),
    /// The id was used for another request before.
    Conflict,
    /// The member is unknown, but may be on the way: ask again later.
    Later,
    /// The caller is allowed to name a target, and did not.
    TargetMissing,
}

/// Decides one request. `patience` is how often an unknown member is waited for.
#[must_use]
pub fn decide(request: &Request, standing: &Standing, patience: u32) -> Decision {
    if let Some(recorded) = standing.recorded {
        let same = recorded.digest == request.digest;
        return if same { Decision::Repeat(recorded.verdict) } else { Decision::Conflict };
    }
    if matches!(request.proof, Proof::Token { expired: true, .. }) {
        return Decision::Decided(Verdict::Rejected(Rejection::Expired));
    }
    if !is_authorized(request) {
        return Decision::Decided(Verdict::Rejected(Rejection::PermissionDenied));
    }
    if request.target.is_none() {
        return Decision::TargetMissing;
    }
    let Some(member) = standing.member.as_ref().filter(|member| !member.deleted) else {
        let waited = request.attempts.unknown_member >= patience;
        return if waited { Decision::Decided(Verdict::Rejected(Rejection::NotFound)) } else { Decision::Later };
    };
    Decision::Decided(match request.method {
        Method::Join => join(member, standing.gate),
        Method::Leave => leave(member),
    })
}

/// A member acts only for themself; anybody else, and for anybody else, needs elevated permission.
fn is_authorized(request: &Request) -> bool {
    let vouched = match request.proof {
        Proof::Token { .. } => true,
        Proof::Producer { vouches, .. } => vouches,
    };
    let is_self = request.caller.identity_type == IdentityType::Member
        && request.target.is_some_and(|target| target.0 == request.caller.id);
    vouched && !request.oversteps() && (is_self || request.is_elevated())
}

/// What joining comes to for a member who exists.
fn join(member: &Member, gate: Gate) -> Verdict {
    let impossible = |state| Verdict::Rejected(Rejection::Impossible(state));
    match (gate, member.status, member.privacy_status) {
        (Gate::NoOne, _, _) => impossible(Impossible::SiteClosed),
        (Gate::Anyone, Status::Pending, _) => impossible(Impossible::Pending),
        (Gate::Anyone, Status::Blocked, _) => impossible(Impossible::Blocked),
        (Gate::Anyone, Status::Offline, _) => impossible(Impossible::Offline),
        (Gate::Anyone, Status::Approved, PrivacyStatus::Public) => Verdict::AlreadyJoined,
        (Gate::Anyone, Status::Approved, PrivacyStatus::Private) => Verdict::Joined,
    }
}

/// What leaving comes to for a member who exists: neither site nor status keeps anybody in.
const fn leave(member: &Member) -> Verdict {
    match member.privacy_status {
        PrivacyStatus::Public => Verdict::Left,
        PrivacyStatus::Private => Verdict::AlreadyLeft,
    }
}
