//! Which dead letters are meant: the same words for looking, replaying, discarding and restoring, at the command line and in
//! the console. Separate, because all of them must choose alike.

use std::collections::BTreeSet;

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::guarded::without_personal_data;
use super::letter::Letter;
use super::mask::mask;
use crate::domain::{Caller, IdentityType, MemberId, SiteId};

/// What a letter must be to be meant; all of it together, and by default anything.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// One of these, if any are given.
    pub ids: BTreeSet<String>,
    /// Of this reason.
    pub reason: Option<String>,
    /// About this site, as far as its body says.
    pub site: Option<SiteId>,
    /// About this member, as far as its body says, or the caller that the worker had proven.
    pub member: Option<MemberId>,
    /// First seen then or later.
    pub since: Option<OffsetDateTime>,
    /// First seen before that.
    pub before: Option<OffsetDateTime>,
    /// With this text in its error, in any case: as it is, or as it is shown.
    pub error: Option<String>,
    /// Not one that was replayed and came back.
    pub never_replayed: bool,
}

impl Selection {
    /// Whether this letter is meant. One that does not say when it was first seen is in no stretch of time.
    #[must_use]
    pub fn takes(&self, letter: &Letter) -> bool {
        let seen = |fits: &dyn Fn(OffsetDateTime) -> bool| letter.first_seen.is_some_and(fits);
        (self.ids.is_empty() || self.ids.contains(&letter.id))
            && self.reason.as_deref().is_none_or(|reason| letter.reason == Some(reason))
            && self.since.is_none_or(|since| seen(&|at| at >= since))
            && self.before.is_none_or(|before| seen(&|at| at < before))
            && self.error.as_deref().is_none_or(|text| holds(letter.error.as_deref(), text))
            && !(self.never_replayed && letter.replayed.is_some())
            && self.is_about(letter)
    }

    fn is_about(&self, letter: &Letter) -> bool {
        if self.site.is_none() && self.member.is_none() {
            return true;
        }
        let (site, member) = letter.about();
        self.site.is_none_or(|wanted| site == Some(wanted)) && self.member.is_none_or(|wanted| member == Some(wanted))
    }
}

impl Letter {
    /// The site and the member that it is about: read leniently, since a malformed body may name them all the same.
    #[must_use]
    pub fn about(&self) -> (Option<SiteId>, Option<MemberId>) {
        let body: Value = serde_json::from_slice(&self.incoming.body).unwrap_or_default();
        let id =
            |value: &Value| value.as_str().filter(|text| text.len() == 36).and_then(|text| Uuid::try_parse(text).ok());
        let proven = self.incoming.own.caller.as_deref().filter(|_| self.written_by_worker).and_then(Caller::parse);
        let calling = proven.filter(|caller| caller.identity_type == IdentityType::Member).map(|caller| caller.id);
        let member = id(&body["memberId"]).or(calling).or_else(|| id(&body["identity"]["memberId"]));
        (id(&body["siteId"]).map(SiteId), member.map(MemberId))
    }
}

/// Whoever takes an error from where it is shown may have what is masked in it.
fn holds(error: Option<&str>, text: &str) -> bool {
    let text = text.to_lowercase();
    let has = |error: &str| error.to_lowercase().contains(&text);
    error.is_some_and(|error| has(error) || has(&without_personal_data(&mask(error))))
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn an_error_is_found_by_what_it_says_and_by_what_is_shown_of_it() {
        let error = Some("no such person: jane@example.com");
        for text in ["No such person", "jane@example.com", "person: (masked)"] {
            assert!(holds(error, text), "{text}");
        }
        assert!(!holds(error, "(masked) person") && !holds(Some("busy"), "(masked)") && !holds(None, ""));
    }
}
