//! Dead letters counted by what is wrong with them: reason and error, which version of the worker says so, and since when.
//! Apart, because console and command line count alike.

use std::collections::BTreeMap;

use serde::Serialize;
use time::OffsetDateTime;

use super::guarded::without_personal_data;
use super::letter::Letter;
use super::mask::mask;
use crate::wire::instant;

/// What may make a group; whatever else there is goes into the last.
const MOST_GROUPS: usize = 100;

/// Dead letters with the same reason and error, by the same version of the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Why they are.
    pub reason: String,
    /// What was wrong, in words; tokens and personal data masked.
    pub error: String,
    /// Version of the worker that gave them up; none of what the broker gave up, and of letters of workers that said none.
    pub version: Option<String>,
    /// How many.
    pub count: u32,
    /// When the first was first seen.
    pub first_seen: Option<String>,
    /// When the last was first seen.
    pub last_seen: Option<String>,
}

/// The groups of the letters that were added.
#[derive(Debug, Default)]
pub struct Groups(BTreeMap<Key, Seen>);

/// Reason, error and version.
type Key = (String, String, Option<String>);

#[derive(Debug, Default)]
struct Seen {
    count: u32,
    first: Option<OffsetDateTime>,
    last: Option<OffsetDateTime>,
}

impl Groups {
    /// Counts a letter.
    pub fn add(&mut self, letter: &Letter) {
        let reason = letter.reason.unwrap_or("unknown").to_owned();
        let error = letter.error.as_deref().map(|error| without_personal_data(&mask(error)).into_owned());
        self.count((reason, error.unwrap_or_default(), letter.version.clone()), letter.first_seen);
    }

    fn count(&mut self, mut key: Key, first_seen: Option<OffsetDateTime>) {
        if self.0.len() >= MOST_GROUPS && !self.0.contains_key(&key) {
            key = ("various".to_owned(), "further reasons and errors".to_owned(), None);
        }
        let seen = self.0.entry(key).or_default();
        seen.count += 1;
        if let Some(at) = first_seen {
            seen.first = Some(seen.first.map_or(at, |first| first.min(at)));
            seen.last = Some(seen.last.map_or(at, |last| last.max(at)));
        }
    }

    /// The groups, the largest first.
    #[must_use]
    pub fn most_first(self) -> Vec<Group> {
        let group = |((reason, error, version), seen): (Key, Seen)| Group {
            reason,
            error,
            version,
            count: seen.count,
            first_seen: seen.first.map(instant::text),
            last_seen: seen.last.map(instant::text),
        };
        let mut groups: Vec<Group> = self.0.into_iter().map(group).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::{Groups, MOST_GROUPS};
    use crate::wire::instant;

    #[test]
    fn each_error_is_counted_with_its_first_and_last_and_however_many_there_are_they_stay_few() {
        let mut groups = Groups::default();
        for at in ["2026-11-25T10:00:00.000Z", "2026-11-24T10:00:00.000Z", "2026-11-26T10:00:00.000Z"] {
            groups.count(("busy".to_owned(), "locked".to_owned(), None), instant::parse(at));
        }
        for number in 0..1_000 {
            groups.count(("malformed".to_owned(), format!("error {number}"), None), None);
        }
        let groups = groups.most_first();
        assert_eq!(groups.len(), MOST_GROUPS + 1);
        assert_eq!((groups[0].reason.as_str(), groups[0].count), ("various", 901));
        let seen = (groups[1].first_seen.as_deref(), groups[1].last_seen.as_deref());
        assert_eq!((groups[1].error.as_str(), groups[1].count), ("locked", 3));
        assert_eq!(seen, (Some("2026-11-24T10:00:00.000Z"), Some("2026-11-26T10:00:00.000Z")));
    }

    #[test]
    fn what_two_versions_gave_up_for_the_same_error_are_two_groups() {
        let mut groups = Groups::default();
        for version in [None, Some("1.1.0"), Some("1.2.0"), Some("1.2.0")] {
            groups.count(("permanent".to_owned(), "refused".to_owned(), version.map(str::to_owned)), None);
        }
        let told: Vec<_> = groups.most_first().into_iter().map(|group| (group.version, group.count)).collect();
        assert_eq!(told, [(Some("1.2.0".to_owned()), 2), (None, 1), (Some("1.1.0".to_owned()), 1)]);
    }
}
