//! What happened to one member, step by step: requests as they came, were decided and announced, then record and cache as they
//! are now. Separate, because it is put together from all outside worlds.

use std::cmp::Ordering;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::announced::explain;
use super::cursor::cursor_of;
use super::explained::Debt;
use super::member_letters::MemberLetters;
use super::steps::{Step, steps};
use crate::cache::{Held, Profiles};
use crate::domain::{Member, MemberId, SiteId};
use crate::postgres::{Edge, Found, Search, Session, StoreError};
use crate::telemetry::chain;
use crate::wire::instant;

/// Requests that are shown at a time.
const MOST: usize = 100;
/// After this no further part of a site's records is looked through: some hundred parts later, where they lie in memory.
const LOOKS: Duration = Duration::from_secs(1);

/// What happened to a member.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// The site.
    pub site_id: String,
    /// The member.
    pub member_id: String,
    /// The record as it is now; absent if there never was one.
    pub record: Option<Record>,
    /// What the cache holds now.
    pub cache: Entry,
    /// What the member still owes the world.
    pub owed: Option<Debt>,
    /// The member's requests that became dead letters: none of them has a step.
    pub dead_letters: MemberLetters,
    /// Newest first.
    pub steps: Vec<Step>,
    /// Whether this is the last part: no further request for this member is on record.
    pub complete: bool,
    /// Where to go on with older requests, as `cursor`. Each call looks through a bounded part of a site's records, so an
    /// answer may hold nothing and still lead on.
    pub next: Option<String>,
}

/// A member's record, without what is personal.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Its sequence.
    pub event_sequence: String,
    /// `APPROVED`, `PENDING`, `BLOCKED` or `OFFLINE`.
    pub status: &'static str,
    /// `PUBLIC` or `PRIVATE`.
    pub privacy_status: &'static str,
    /// When it last changed.
    pub updated_date: String,
    /// Whether only the tombstone is left.
    pub deleted: bool,
}

/// What the cache holds of a member.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// `nothing`, `profile`, `tombstone`, `junk`, or `unknown` while the cache does not answer.
    pub holds: &'static str,
    /// Its sequence.
    pub event_sequence: Option<String>,
    /// Why it is not known.
    pub problem: Option<String>,
}

/// A member as it is now, where one of its requests is explained.
pub(super) struct Now {
    pub(super) record: Option<Record>,
    pub(super) cache: Entry,
}

/// Puts together what is known of a member, but for its dead letters; of its requests so many at most: the newest, or those below
/// a place. The cache may be away: what it holds is then not known.
///
/// # Errors
/// If the records cannot be read.
pub async fn timeline(
    store: &mut Session,
    profiles: &mut Profiles,
    (site, member): (SiteId, MemberId),
    below: Option<Edge>,
) -> Result<Timeline, StoreError> {
    let found = requests(store, (site, member), below).await?;
    let owed = store.debt(site, member).await?;
    let Now { record, cache } = now(store, profiles, site, member).await?;
    let records: Vec<_> = found.records.iter().map(|found| (&found.0, &found.1)).collect();
    let explained = explain(store, &records).await;
    let mut steps: Vec<Step> = explained.iter().flat_map(|explained| steps(explained, owed)).collect();
    steps.sort_by(|one, other| other.at.cmp(&one.at));
    Ok(Timeline {
        site_id: site.to_string(),
        member_id: member.to_string(),
        record,
        cache,
        owed: owed.map(Debt::from),
        dead_letters: MemberLetters::default(),
        steps,
        complete: found.edge.is_none(),
        next: found.edge.as_ref().map(cursor_of),
    })
}

/// Looks through one part of the site's records after the other, until enough is found or it takes too long.
async fn requests(
    store: &mut Session,
    (site, member): (SiteId, MemberId),
    below: Option<Edge>,
) -> Result<Found, StoreError> {
    let (began, mut found) = (Instant::now(), Found { records: Vec::new(), edge: below });
    loop {
        // One more than is shown says whether another follows.
        let limit = u32::try_from(MOST + 1 - found.records.len()).unwrap_or(1);
        let (member, below) = (Some(member), found.edge.take());
        let search = Search { site, member, verdict: None, since: None, until: None, below, limit };
        let part = store.search(&search).await?;
        found.records.extend(part.records);
        found.edge = part.edge;
        if found.records.len() > MOST || found.edge.is_none() || began.elapsed() > LOOKS {
            return Ok(found.cut(MOST));
        }
    }
}

/// Looks at record and cache entry. The cache may be away here as well.
pub(super) async fn now(
    store: &mut Session,
    profiles: &mut Profiles,
    site: SiteId,
    member: MemberId,
) -> Result<Now, StoreError> {
    let record = store.member(site, member).await?;
    Ok(Now { record: record.as_ref().map(shown), cache: entry(profiles, site, member).await })
}

async fn entry(profiles: &mut Profiles, site: SiteId, member: MemberId) -> Entry {
    let (holds, sequence, problem) = match profiles.look(&[(site, member)]).await {
        Ok(held) => match held.into_iter().next() {
            None | Some(Held::Nothing) => ("nothing", None, None),
            Some(Held::Entry { event_sequence, member: Some(_) }) => ("profile", Some(event_sequence), None),
            Some(Held::Entry { event_sequence, member: None }) => ("tombstone", Some(event_sequence), None),
            Some(Held::Junk) => ("junk", None, None),
        },
        Err(error) => ("unknown", None, Some(chain(&error))),
    };
    Entry { holds, event_sequence: sequence.map(|sequence| sequence.to_string()), problem }
}

impl Record {
    /// In one line.
    #[must_use]
    pub fn in_words(&self) -> String {
        let state =
            if self.deleted { "deleted".to_owned() } else { format!("{}, {}", self.status, self.privacy_status) };
        format!("{state}, at sequence {}, changed {}", self.event_sequence, self.updated_date)
    }
}

impl Entry {
    /// In one line.
    #[must_use]
    pub fn in_words(&self) -> String {
        let sequence = self.event_sequence.as_ref().map(|sequence| format!(" at sequence {sequence}"));
        let problem = self.problem.as_ref().map(|problem| format!(": {problem}"));
        format!("{}{}{}", self.holds, sequence.unwrap_or_default(), problem.unwrap_or_default())
    }

    /// In one line, and how it stands to the record.
    #[must_use]
    pub fn beside(&self, record: Option<&Record>) -> String {
        let number = |sequence: &String| sequence.parse::<i64>().ok();
        let Some(held) = self.event_sequence.as_ref().and_then(number) else { return self.in_words() };
        let of_record = record.and_then(|record| number(&record.event_sequence));
        let stands = match of_record.map(|of_record| held.cmp(&of_record)) {
            Some(Ordering::Less) => "behind the record",
            Some(Ordering::Equal) => "as the record",
            Some(Ordering::Greater) => "ahead of the record",
            None => "of which there is no record",
        };
        format!("{}, {stands}", self.in_words())
    }
}

impl Timeline {
    /// What a reader has to know of where it ends.
    #[must_use]
    pub fn end(&self) -> &'static str {
        match (self.complete, self.steps.is_empty()) {
            (true, _) => "no further request for this member is on record",
            (false, true) => "no request for this member was found so far; older ones may follow",
            (false, false) => "older requests may follow",
        }
    }
}

fn shown(member: &Member) -> Record {
    Record {
        event_sequence: member.event_sequence.to_string(),
        status: member.status.as_str(),
        privacy_status: member.privacy_status.as_str(),
        updated_date: instant::text(member.updated_date),
        deleted: member.deleted,
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Record};

    #[test]
    fn an_entry_is_told_beside_its_record() {
        let entry =
            |holds, sequence: Option<&str>| Entry { holds, event_sequence: sequence.map(str::to_owned), problem: None };
        let record = Record {
            event_sequence: "17".to_owned(),
            status: "APPROVED",
            privacy_status: "PUBLIC",
            updated_date: "2026-11-24T10:00:00.000Z".to_owned(),
            deleted: false,
        };
        for (sequence, told) in [
            (Some("9"), "profile at sequence 9, behind the record"),
            (Some("17"), "profile at sequence 17, as the record"),
            (Some("18"), "profile at sequence 18, ahead of the record"),
        ] {
            assert_eq!(entry("profile", sequence).beside(Some(&record)), told);
        }
        assert_eq!(entry("nothing", None).beside(Some(&record)), "nothing");
        assert_eq!(entry("tombstone", Some("3")).beside(None), "tombstone at sequence 3, of which there is no record");
    }
}
