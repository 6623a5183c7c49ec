//! The dead letters about one member, for its timeline: requests of which no record tells. Apart from the steps, because they
//! are known as of a reading, and not at all before somebody had them read.

use serde::Serialize;
use utoipa::ToSchema;

use super::letters::{Pile, Snapshot, read_all};
use crate::config::Broker;
use crate::domain::{MemberId, SiteId};

/// Most of them that are told.
const MOST_TOLD: usize = 100;

/// The dead letters about a member, among those that were read.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberLetters {
    /// When the dead letters were read; absent if they were not.
    pub read_at: Option<String>,
    /// How many of them were read: the oldest.
    pub read: u32,
    /// How many there were.
    pub total: u32,
    /// Why they could not be read.
    pub problem: Option<String>,
    /// Those about this member, newest first; 100 at most.
    pub letters: Vec<MemberLetter>,
    /// Whether there are more about this member.
    pub more: bool,
}

/// A dead letter, as far as it is told beside what is on record.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberLetter {
    /// Names it, as `dead-letters list` does.
    pub id: String,
    /// The request's id, unless that is one which is shown masked.
    pub request_id: Option<String>,
    /// Why it is one.
    pub reason: &'static str,
    /// How often it was on the ladder.
    pub attempts: Option<u32>,
    /// When it went to the ladder and to which rungs, and when the broker took it out of a queue, in words; absent if unknown.
    pub history: Option<String>,
    /// When the worker first saw it, or else when the broker gave it up.
    pub first_seen: Option<String>,
}

impl MemberLetter {
    /// Why it is one, how often it was on the ladder, and when.
    #[must_use]
    pub fn in_words(&self) -> String {
        let attempts = self.attempts.map(|attempts| format!(", attempts {attempts}")).unwrap_or_default();
        let history = self.history.as_ref().map(|words| format!(" ({words})")).unwrap_or_default();
        format!("reason {}{attempts}{history}", self.reason)
    }
}

impl MemberLetters {
    /// Those of the last reading, if there was one.
    pub(super) fn among(seen: Option<&Snapshot>, site: SiteId, member: MemberId) -> Self {
        let Some(seen) = seen else { return Self::default() };
        let mut letters: Vec<MemberLetter> = seen.died.about(site, member).cloned().collect();
        letters.sort_by(|one, other| other.first_seen.cmp(&one.first_seen));
        let more = letters.len() > MOST_TOLD;
        letters.truncate(MOST_TOLD);
        let read_at = Some(seen.read_at().to_owned());
        Self { read_at, read: seen.read, total: seen.total, problem: None, letters, more }
    }

    /// How many are told, among how many, and as of when; or why that is not known.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Self { read, total, letters, .. } = self;
        match (&self.problem, &self.read_at) {
            (Some(problem), _) => format!("which are about it is not known: {problem}"),
            (None, None) => "nobody has had the dead letters read since this worker started".to_owned(),
            (None, Some(at)) => {
                let count = letters.len();
                let count = if count == 0 { "none".to_owned() } else { count.to_string() };
                let more = if self.more { ", and more," } else { "" };
                format!("{count}{more} about it among the {read} of {total} dead letters that were read at {at}")
            }
        }
    }
}

/// The same, read now, for a command; or why they cannot be.
pub async fn letters_of(broker: &Broker, site: SiteId, member: MemberId) -> MemberLetters {
    match read_all(broker, Pile::Dead).await {
        Ok(seen) => MemberLetters::among(Some(&seen), site, member),
        Err(failure) => MemberLetters { problem: Some(failure.message().to_owned()), ..MemberLetters::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::MemberLetters;

    #[test]
    fn it_is_said_among_which_letters_it_was_looked_or_why_it_was_not() {
        let unread = MemberLetters::default();
        assert!(unread.in_words().starts_with("nobody has had"), "{unread:?}");
        let away = MemberLetters { problem: Some("no such queue".to_owned()), ..MemberLetters::default() };
        assert_eq!(away.in_words(), "which are about it is not known: no such queue");
        let none = MemberLetters { read_at: Some("now".to_owned()), read: 2, total: 3, ..MemberLetters::default() };
        assert_eq!(none.in_words(), "none about it among the 2 of 3 dead letters that were read at now");
    }
}
