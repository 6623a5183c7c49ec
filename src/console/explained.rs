//! What is known of a request, in the form of `explain --output json` and of the API: one form, so that both say the same.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{Case, Grounds, PrivacyStatus, RequestId, Verdict};
use crate::postgres::{Owed, RecordedRequest};
use crate::wire::{event, instant};

/// What is known of a request.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// Its id.
    pub request_id: String,
    /// Its site.
    pub site_id: String,
    /// Who is answerable, and owns the id.
    pub requester: String,
    /// Who called.
    pub caller: String,
    /// What it asked for: `join` or `leave`.
    pub method: &'static str,
    /// The member it was about.
    pub member_id: Option<String>,
    /// Whether it acted with elevated permission.
    pub elevated: bool,
    /// How the caller was proven.
    pub proof: String,
    /// What it came to: `joined`, `already_joined`, `left`, `already_left` or `rejected`.
    pub verdict: &'static str,
    /// The status of the reply.
    pub status: u16,
    /// The code of a rejection.
    pub code: Option<&'static str>,
    /// The reason of a rejection.
    pub reason: Option<&'static str>,
    /// What it changed in the member's record, or `nothing`.
    pub changed: &'static str,
    /// Which version of the rule decided.
    pub rule_version: i16,
    /// The clause of that version, and on which facts; none if this program does not know the version.
    pub rule: Option<Rule>,
    /// The record's sequence that it was decided on, or that its change made.
    pub event_sequence: Option<String>,
    /// The event that announces its change.
    pub event_id: Option<String>,
    /// When it was first seen.
    pub received_at: String,
    /// When it was decided.
    pub decided_at: String,
    /// When the event of its change was confirmed; looked up where one request is explained, not in a list.
    pub confirmed_at: Option<String>,
    /// The sequence of that event: a higher one than its own, if its change was folded into a newer one.
    pub confirmed_sequence: Option<String>,
    /// When the cache took what its change made of the member; looked up likewise.
    pub cached_at: Option<String>,
    /// The sequence of what the cache took.
    pub cached_sequence: Option<String>,
    /// How far was looked, if one of these is not found; it may be owed still.
    pub announcement_gap: Option<String>,
    /// The trace it belongs to.
    pub trace_id: Option<String>,
    /// What its member still owes the world; looked up where one request is explained, not in a list.
    pub owed: Option<Debt>,
}

/// The clause of the rule that decided.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Its number, in the order in which clauses are tried.
    pub clause: u8,
    /// What it says.
    pub says: &'static str,
    /// What was found of caller and member.
    pub facts: Vec<&'static str>,
}

/// What a member still owes the world.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Debt {
    /// The newest sequence that is owed.
    pub event_sequence: String,
    /// Whether the event is.
    pub event: bool,
    /// Whether the cache is.
    pub cache: bool,
    /// How often the sweep tried.
    pub attempts: i32,
    /// For how long.
    pub age_seconds: u64,
}

impl Explained {
    /// Explains one record, without what has to be looked up elsewhere.
    #[must_use]
    pub fn new(id: &RequestId, record: &RecordedRequest) -> Self {
        let event = record.change().map(|change| event::event_id(change.site, change.member, change.event_sequence));
        let case = Case {
            version: record.rule_version,
            verdict: record.verdict,
            proof: &record.proof,
            caller: record.caller,
            target: record.target,
            elevated: record.elevated,
            has_record: record.event_sequence.is_some(),
        };
        let trace = record.traceparent.as_deref().and_then(|parent| parent.split('-').nth(1));
        Self {
            request_id: id.to_string(),
            site_id: record.site.to_string(),
            requester: record.requester.as_str().to_owned(),
            caller: record.caller.to_string(),
            method: record.method.as_str(),
            member_id: record.target.map(|member| member.to_string()),
            elevated: record.elevated,
            proof: record.proof.clone(),
            verdict: record.verdict.as_str(),
            status: record.verdict.status(),
            code: record.verdict.code(),
            reason: record.verdict.reason(),
            changed: changed(record.verdict),
            rule_version: record.rule_version,
            rule: case.grounds().map(Rule::from),
            event_sequence: record.event_sequence.map(|sequence| sequence.to_string()),
            event_id: event.map(|id| id.to_string()),
            received_at: instant::text(record.received_at),
            decided_at: instant::text(record.decided_at),
            confirmed_at: None,
            confirmed_sequence: None,
            cached_at: None,
            cached_sequence: None,
            announcement_gap: None,
            trace_id: trace.map(str::to_owned),
            owed: record.owed.map(Debt::from),
        }
    }

    /// The rule that decided, as a person reads it.
    #[must_use]
    pub fn rule_in_words(&self) -> String {
        let version = self.rule_version;
        match &self.rule {
            Some(Rule { clause, says, .. }) => format!("{clause} of version {version}: {says}"),
            None => format!("of version {version}, which this program does not know: ask a newer one"),
        }
    }

    /// The facts that it decided on, as a person reads them.
    #[must_use]
    pub fn facts_in_words(&self) -> Option<String> {
        self.rule.as_ref().map(|rule| rule.facts.join("; "))
    }

    /// The verdict with its code and reason, as a person reads it.
    #[must_use]
    pub fn verdict_in_words(&self) -> String {
        let because: Vec<&str> = [self.code, self.reason].into_iter().flatten().collect();
        format!("{} ({}) {}", self.verdict, self.status, because.join(", ")).trim_end().to_owned()
    }
}

impl From<Grounds> for Rule {
    fn from(Grounds { clause, says, facts }: Grounds) -> Self {
        Self { clause, says, facts }
    }
}

impl From<Owed> for Debt {
    fn from(owed: Owed) -> Self {
        Self {
            event_sequence: owed.event_sequence.to_string(),
            event: owed.event,
            cache: owed.cache,
            attempts: owed.attempts,
            age_seconds: owed.age.as_secs(),
        }
    }
}

impl std::fmt::Display for Debt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match (self.event, self.cache) {
            (true, true) => "event and cache",
            (true, false) => "the event",
            (false, true) => "the cache",
            (false, false) => "nothing",
        };
        let (sequence, tries, age) = (&self.event_sequence, self.attempts, self.age_seconds);
        write!(f, "{what} of sequence {sequence}, for {age} s, {tries} tries by the sweep")
    }
}

/// What a verdict changed. Whoever is brought to one state was in the other before: else the verdict is that they were there.
const fn changed(verdict: Verdict) -> &'static str {
    match verdict.leads_to() {
        Some(PrivacyStatus::Public) => "privacyStatus PRIVATE → PUBLIC",
        Some(PrivacyStatus::Private) => "privacyStatus PUBLIC → PRIVATE",
        None => "nothing",
    }
}

/// The proof in words; a word that this version does not know is shown as it is.
#[must_use]
pub fn proof(word: &str) -> &str {
    match word {
        "token" => "a session token",
        "token:permission" => "a session token that may act for others",
        "token:expired" => "a session token that had expired",
        "producer" => "a trusted producer",
        "producer:may-elevate" => "a trusted producer that may elevate",
        "producer:beyond-its-list" => "a producer that may not vouch for this site or identity",
        unknown => unknown,
    }
}
