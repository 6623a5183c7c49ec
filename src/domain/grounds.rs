//! The grounds of a verdict: which clause of the rule gave it, and on which facts. Only the rule's version is recorded for
//! this; the rest follows from what is recorded anyway, because each verdict has one way to it.

use super::{Caller, IdentityType, Impossible, MemberId, Rejection, Verdict};

/// The version of the rule that [`super::decide`] is. A test holds it against all that the rule can be asked. (Leaving came
/// later, and into the same version: of joining it has changed nothing.)
pub const RULE_VERSION: i16 = 1;

/// Why a verdict was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grounds {
    /// The clause that decided, counted in the order in which they are tried.
    pub clause: u8,
    /// What it says.
    pub says: &'static str,
    /// What was found of the caller and the member.
    pub facts: Vec<&'static str>,
}

/// What is recorded of a decided request.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The version of the rule.
    pub version: i16,
    /// What the request came to.
    pub verdict: Verdict,
    /// How the caller was proven, in the record's word.
    pub proof: &'a str,
    /// Who called.
    pub caller: Caller,
    /// Whom it was about.
    pub target: Option<MemberId>,
    /// It acted with elevated permission.
    pub elevated: bool,
    /// There was a record of the member, deleted or not.
    pub has_record: bool,
}

impl Case<'_> {
    /// The grounds; `None` if a version gave the verdict that this program does not know.
    #[must_use]
    pub fn grounds(self) -> Option<Grounds> {
        if self.version != RULE_VERSION {
            return None;
        }
        let (clause, says) = clause(self.verdict);
        let facts = match self.verdict {
            Verdict::Rejected(Rejection::Expired) => vec!["the token had expired when the request was received"],
            Verdict::Rejected(Rejection::PermissionDenied) => self.denied(),
            Verdict::Rejected(Rejection::NotFound) => vec![self.allowed(), self.missing()],
            Verdict::Rejected(Rejection::Impossible(state)) => vec![self.allowed(), told(state)],
            Verdict::Joined => vec![self.allowed(), "the site lets members be public", "approved", "private before"],
            Verdict::AlreadyJoined => {
                vec![self.allowed(), "the site lets members be public", "approved", "public already"]
            }
            Verdict::Left => vec![self.allowed(), "public before"],
            Verdict::AlreadyLeft => vec![self.allowed(), "private already"],
        };
        Some(Grounds { clause, says, facts })
    }

    fn is_self(self) -> bool {
        let is_member = self.caller.identity_type == IdentityType::Member;
        is_member && self.target.is_some_and(|target| target.0 == self.caller.id)
    }

    /// Why clause 2 let it pass.
    fn allowed(self) -> &'static str {
        if self.is_self() { "the caller is the member" } else { "the caller acts with elevated permission" }
    }

    fn denied(self) -> Vec<&'static str> {
        if self.proof == "producer:beyond-its-list" {
            return vec!["the producer may not vouch for this site or identity"];
        }
        if self.is_self() || self.elevated {
            // Nothing else stops a member who asks for themself.
            return vec!["it asks for elevated permission, which the caller does not have"];
        }
        let who = match (self.target, self.caller.identity_type) {
            (None, _) => "no member is named, and the caller is none",
            (Some(_), IdentityType::Member) => "the caller is another member",
            (Some(_), _) => "the caller is no member",
        };
        vec![who, "it does not act with elevated permission"]
    }

    fn missing(self) -> &'static str {
        if self.has_record {
            "the member's record is deleted"
        } else {
            "there was no record, and none came while it was waited for"
        }
    }
}

const fn clause(verdict: Verdict) -> (u8, &'static str) {
    match verdict {
        Verdict::Rejected(Rejection::Expired) => (1, "an expired token proves nothing"),
        Verdict::Rejected(Rejection::PermissionDenied) => {
            (2, "a member acts only for themself; anybody else, and for anybody else, needs elevated permission")
        }
        Verdict::Rejected(Rejection::NotFound) => (3, "there has to be such a member"),
        Verdict::Rejected(Rejection::Impossible(Impossible::SiteClosed)) => {
            (4, "the site has to let members be public")
        }
        Verdict::Rejected(Rejection::Impossible(Impossible::Pending | Impossible::Blocked | Impossible::Offline)) => {
            (5, "the member has to be approved")
        }
        Verdict::AlreadyJoined => (6, "who is public stays so"),
        Verdict::Joined => (7, "who is private becomes public"),
        // Leaving has no clause about the site, and none about approval.
        Verdict::AlreadyLeft => (4, "who is private stays so"),
        Verdict::Left => (5, "who is public becomes private"),
    }
}

const fn told(state: Impossible) -> &'static str {
    match state {
        Impossible::SiteClosed => "the site lets nobody be public",
        Impossible::Pending => "the member waits for approval",
        Impossible::Blocked => "the member is blocked",
        Impossible::Offline => "the member can no longer log in",
    }
}

#[cfg(test)]
mod tests;
