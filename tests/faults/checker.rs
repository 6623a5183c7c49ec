//! The checker: compares what was sent with what is there. It shares no code with the worker, so that one mistake cannot
//! hide another: it reads the database, the cache and the queues by their public forms alone.

mod cache;
mod dead_letters;
mod events;
mod evidence;
mod leftovers;
mod members;
mod order;
mod replies;
mod verdicts;

use std::fmt;

use anyhow::Result;
use serde::{Deserialize, Serialize};

pub(crate) use evidence::{EVENTS, Evidence, REPLIES};

use crate::ledger::Ledger;

/// Where a trial's traces are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    /// PostgreSQL URL of somebody who may read everything.
    pub(crate) database: String,
    /// AMQP URL of an administrator.
    pub(crate) broker: String,
    /// Redis URL.
    pub(crate) cache: String,
    /// What stands before every key, without the colon.
    pub(crate) cache_prefix: String,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Which kind of promise.
    pub(crate) kind: Kind,
    /// What was seen, and of what.
    pub(crate) what: String,
}

/// What a promise is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Something that had to be there is not.
    Lost,
    /// Something took effect twice, or in two ways.
    Duplicated,
    /// Something is there that nobody caused, or says what is not so.
    Unexpected,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Lost => "lost",
            Kind::Duplicated => "duplicated",
            Kind::Unexpected => "unexpected",
        };
        write!(f, "{kind}: {}", self.what)
    }
}

/// What was found broken so far.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    fn lost(&mut self, what: impl Into<String>) {
        self.0.push(Finding { kind: Kind::Lost, what: what.into() });
    }

    fn duplicated(&mut self, what: impl Into<String>) {
        self.0.push(Finding { kind: Kind::Duplicated, what: what.into() });
    }

    fn unexpected(&mut self, what: impl Into<String>) {
        self.0.push(Finding { kind: Kind::Unexpected, what: what.into() });
    }
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Verdicts on record.
    pub(crate) verdicts: u64,
    /// Different events.
    pub(crate) events: u64,
    /// Events that came again, identical.
    pub(crate) repeated_events: u64,
    /// Replies.
    pub(crate) replies: u64,
    /// Dead letters.
    pub(crate) dead_letters: u64,
    /// Of these, requests that were alone at two kills.
    pub(crate) crash_loops: u64,
}

/// The result of a check.
#[derive(Debug)]
pub(crate) struct Checked {
    /// What was counted.
    pub(crate) counts: Counts,
    /// Broken promises.
    pub(crate) findings: Vec<Finding>,
}

/// Compares the ledger with what is there. Everything must be at rest: no worker runs, no fault is on.
///
/// # Errors
/// If a service does not answer.
pub(crate) async fn check(place: &Place, ledger: &Ledger) -> Result<Checked> {
    let evidence = Evidence::gather(place).await?;
    let mut findings = Findings::default();
    verdicts::compare(ledger, &evidence, &mut findings);
    dead_letters::compare(ledger, &evidence, &mut findings);
    members::compare(ledger, &evidence, &mut findings);
    order::compare(ledger, &evidence, &mut findings);
    events::compare(ledger, &evidence, &mut findings);
    replies::compare(ledger, &evidence, &mut findings);
    cache::compare(ledger, &evidence, &mut findings);
    leftovers::compare(&evidence, &mut findings);
    let mut findings = findings.0;
    findings.sort();
    Ok(Checked { counts: evidence.counts(), findings })
}
