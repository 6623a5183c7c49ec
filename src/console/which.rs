//! Which dead letters a call is about: the words of the command line, as JSON and as a form. Separate, because every action
//! on dead letters takes them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::failure::Failure;
use crate::domain::{MemberId, SiteId};
use crate::rabbitmq::dead_letters::{REASONS, Selection};
use crate::wire::instant;

/// Which dead letters; all that is given must be true of a letter. Something must be given, or `all`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct Which {
    /// These alone.
    pub(super) ids: Vec<String>,
    /// All of them.
    pub(super) all: bool,
    /// Of this reason.
    pub(super) reason: String,
    /// About this site.
    pub(super) site: String,
    /// About this member.
    pub(super) member: String,
    /// First seen then or later.
    pub(super) since: String,
    /// First seen before that.
    pub(super) before: String,
    /// With this text in their error.
    pub(super) error: String,
    /// Not those that were replayed and came back.
    pub(super) never_replayed: bool,
}

impl Which {
    /// The choice as it is applied.
    pub(super) fn selection(&self) -> Result<Selection, Failure> {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let wrong = |what: &str| Failure::Invalid(format!("{what} is not what it should be"));
        let guid = |text: &str, what: &str| {
            let parsed = given(text).map(|text| Uuid::try_parse(&text).ok().filter(|_| text.len() == 36));
            parsed.map(|id| id.ok_or_else(|| wrong(&format!("`{what}`, a GUID,")))).transpose()
        };
        let at = |text: &str, what: &str| {
            let parsed = given(text).map(|text| instant::parse(&text));
            parsed
                .map(|at| at.ok_or_else(|| wrong(&format!("`{what}`, an instant like 2026-11-24T10:00:00Z,"))))
                .transpose()
        };
        let selection = Selection {
            ids: self.ids.iter().filter_map(|id| given(id)).collect::<BTreeSet<_>>(),
            reason: given(&self.reason),
            site: guid(&self.site, "site")?.map(SiteId),
            member: guid(&self.member, "member")?.map(MemberId),
            since: at(&self.since, "since")?,
            before: at(&self.before, "before")?,
            error: given(&self.error),
            never_replayed: self.never_replayed,
        };
        if let Some(reason) = selection.reason.as_deref().filter(|reason| !REASONS.contains(reason)) {
            return Err(Failure::Invalid(format!(
                "there is no reason `{}`; there are {}",
                reason.escape_debug(),
                REASONS.join(", ")
            )));
        }
        let Selection { ids, reason, site, member, since, before, error, .. } = &selection;
        let narrow = !ids.is_empty()
            || [reason, error].into_iter().any(Option::is_some)
            || [since, before].into_iter().any(Option::is_some)
            || site.is_some()
            || member.is_some();
        if narrow == self.all {
            return Err(Failure::Invalid("say which: ids, what they have in common, or `all`".to_owned()));
        }
        Ok(selection)
    }

    /// The choice in words, for the record.
    pub(super) fn words(&self) -> String {
        let texts = [
            ("reason", &self.reason),
            ("site", &self.site),
            ("member", &self.member),
            ("since", &self.since),
            ("before", &self.before),
            ("error", &self.error),
        ];
        let given = texts.into_iter().filter(|(_, text)| !text.trim().is_empty());
        let mut words: Vec<String> = given.map(|(name, text)| format!("{name} {}", text.trim())).collect();
        words.extend(self.ids.iter().cloned());
        if self.all {
            words.push("all".to_owned());
        }
        if self.never_replayed {
            words.push("never replayed".to_owned());
        }
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::Which;

    #[test]
    fn something_is_to_be_given_and_makes_sense() {
        let all = Which { all: true, ..Which::default() };
        let busy = Which { reason: "busy".to_owned(), since: "2026-11-24T10:00:00Z".to_owned(), ..Which::default() };
        assert!(all.selection().is_ok() && busy.selection().is_ok());
        assert_eq!(busy.words(), "reason busy, since 2026-11-24T10:00:00Z");
        for wrong in [
            Which::default(),
            Which { never_replayed: true, ..Which::default() },
            Which { all: true, ..busy.clone() },
            Which { reason: "nonsense".to_owned(), ..Which::default() },
            Which { site: "here".to_owned(), ..Which::default() },
            Which { before: "tomorrow".to_owned(), ..Which::default() },
        ] {
            assert!(wrong.selection().is_err(), "{wrong:?}");
        }
    }
}
