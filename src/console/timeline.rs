//! What happened to one member, step by step: requests as they came and were decided, then record, event and cache as they
//! are now. Separate, because it is put together from all three outside worlds.

use serde::Serialize;
use utoipa::ToSchema;

use super::explained::{Debt, Explained};
use crate::cache::{Held, Profiles};
use crate::domain::{Member, MemberId, SiteId};
use crate::postgres::{EXAMINED, Owed, Search, Session, StoreError};
use crate::telemetry::chain;
use crate::wire::instant;

/// Newest requests that are shown.
const MOST: u32 = 100;

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
    /// Newest first.
    pub steps: Vec<Step>,
    /// Whether all of the site's recorded requests were looked through; else the newest ids only.
    pub complete: bool,
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

/// One step.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// When.
    pub at: String,
    /// `received`, `decided` or `event`.
    pub what: &'static str,
    /// Of which request.
    pub request_id: String,
    /// The record's sequence then.
    pub event_sequence: Option<String>,
    /// In words.
    pub text: String,
}

/// Puts together what is known of a member. The cache may be away: what it holds is then not known.
///
/// # Errors
/// If the records cannot be read.
pub async fn timeline(
    store: &mut Session,
    profiles: &mut Profiles,
    site: SiteId,
    member: MemberId,
) -> Result<Timeline, StoreError> {
    let search =
        Search { site, member: Some(member), verdict: None, since: None, until: None, below: None, limit: MOST };
    let found = store.search(&search).await?;
    let record = store.member(site, member).await?;
    let owed = store.debt(site, member).await?;
    let explained = found.records.iter().map(|(id, record)| Explained::new(id, record));
    let mut steps: Vec<Step> = explained.flat_map(|explained| steps(&explained, owed)).collect();
    steps.sort_by(|one, other| other.at.cmp(&one.at));
    Ok(Timeline {
        site_id: site.to_string(),
        member_id: member.to_string(),
        record: record.as_ref().map(shown),
        cache: entry(profiles, site, member).await,
        owed: owed.map(Debt::from),
        steps,
        complete: found.edge.is_none(),
    })
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
}

impl Timeline {
    /// What a reader has to know of a timeline that does not go back to the beginning.
    #[must_use]
    pub fn gap(&self) -> Option<String> {
        (!self.complete).then(|| format!("only the newest {EXAMINED} request ids of the site were looked through"))
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

fn steps(explained: &Explained, owed: Option<Owed>) -> Vec<Step> {
    let step = |at: &str, what, text| Step {
        at: at.to_owned(),
        what,
        request_id: explained.request_id.clone(),
        event_sequence: explained.event_sequence.clone(),
        text,
    };
    let elevated = if explained.elevated { ", elevated" } else { "" };
    let mut steps = Vec::with_capacity(3);
    if let Some(event) = &explained.event_id {
        let due = owed.is_some_and(|owed| owed.event);
        let state = if due {
            "still owed, or folded into a newer one that is"
        } else {
            "confirmed, or folded into a newer one"
        };
        steps.push(step(&explained.decided_at, "event", format!("{event}: {state}")));
    }
    steps.push(step(&explained.decided_at, "decided", explained.verdict_in_words()));
    let text = format!("to {}, from {}{elevated}", explained.method, explained.caller);
    let received = step(&explained.received_at, "received", text);
    steps.push(Step { event_sequence: None, ..received });
    steps
}
