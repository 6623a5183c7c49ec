//! `explain`: why a request was answered as it was.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use serde::Serialize;

use super::Context;
use super::print::visible;
use super::values;
use crate::domain::{RequestId, SiteId, Verdict};
use crate::postgres::{Owed, RecordedRequest, Role, Session};
use crate::wire::{event, instant};

const AFTER_HELP: &str = "\
Several requesters may have used the same id; all of them are shown, each with its own verdict. A request that is not recorded
waits on the retry ladder or was dead-lettered (`dead-letters list`), was refused as unauthenticated, or is older than
`requests.retention`.";

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The request's id.
    #[arg(value_name = "REQUEST_ID", value_parser = values::request_id)]
    pub request: RequestId,
    /// Only at this site; without it, all sites are searched.
    #[arg(long, value_parser = values::site)]
    pub site: Option<SiteId>,
}

/// What is known of a request, for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained {
    request_id: String,
    site_id: String,
    requester: String,
    caller: String,
    member_id: Option<String>,
    elevated: bool,
    proof: String,
    verdict: &'static str,
    status: u16,
    code: Option<&'static str>,
    reason: Option<&'static str>,
    event_sequence: Option<String>,
    event_id: Option<String>,
    received_at: String,
    decided_at: String,
    trace_id: Option<String>,
    owed: Option<Debt>,
}

/// What the member still owes the world.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Debt {
    event_sequence: String,
    event: bool,
    cache: bool,
    attempts: i32,
    age_seconds: u64,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let mut store = Session::new(&context.config.database, Role::Tool)?;
    let found = store.recorded(&args.request, args.site).await?;
    if found.is_empty() {
        let place = args.site.map_or_else(|| "any site".to_owned(), |site| format!("site {site}"));
        bail!(
            "no verdict is recorded for request {} at {place}: it waits on the retry ladder, was dead-lettered, was \
             refused as unauthenticated, or is older than requests.retention",
            args.request
        );
    }
    let explained: Vec<Explained> = found.iter().map(|record| explained(&args.request, record)).collect();
    context.output.result(&explained, |all| all.iter().map(text).collect::<Vec<_>>().join("\n\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn explained(id: &RequestId, record: &RecordedRequest) -> Explained {
    let event = match (record.verdict, record.target, record.event_sequence) {
        (Verdict::Joined, Some(member), Some(sequence)) => Some(event::event_id(record.site, member, sequence)),
        _ => None,
    };
    let trace = record.traceparent.as_deref().and_then(|parent| parent.split('-').nth(1));
    Explained {
        request_id: id.to_string(),
        site_id: record.site.to_string(),
        requester: record.requester.as_str().to_owned(),
        caller: record.caller.to_string(),
        member_id: record.target.map(|member| member.to_string()),
        elevated: record.elevated,
        proof: record.proof.clone(),
        verdict: record.verdict.as_str(),
        status: record.verdict.status(),
        code: record.verdict.code(),
        reason: record.verdict.reason(),
        event_sequence: record.event_sequence.map(|sequence| sequence.to_string()),
        event_id: event.map(|id| id.to_string()),
        received_at: instant::text(record.received_at),
        decided_at: instant::text(record.decided_at),
        trace_id: trace.map(str::to_owned),
        owed: record.owed.map(debt),
    }
}

fn debt(owed: Owed) -> Debt {
    Debt {
        event_sequence: owed.event_sequence.to_string(),
        event: owed.event,
        cache: owed.cache,
        attempts: owed.attempts,
        age_seconds: owed.age.as_secs(),
    }
}

fn text(explained: &Explained) -> String {
    let mut text = format!("Request {} at site {}", explained.request_id, explained.site_id);
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        write!(text, "\n  {name:<10} {}", visible(value)).unwrap_or_default();
    };
    let because: Vec<&str> = [explained.code, explained.reason].into_iter().flatten().collect();
    line("verdict", &format!("{} ({}) {}", explained.verdict, explained.status, because.join(", ")));
    line("member", explained.member_id.as_deref().unwrap_or("none was named"));
    let elevated = if explained.elevated { ", with elevated permission" } else { "" };
    line("caller", &format!("{}{elevated}", explained.caller));
    line("proven by", proof(&explained.proof));
    line("requester", &explained.requester);
    line("received", &explained.received_at);
    line("decided", &explained.decided_at);
    let record = explained.event_sequence.as_deref();
    line("record", &record.map_or_else(|| "there was none".to_owned(), |sequence| format!("at sequence {sequence}")));
    if let Some(event) = &explained.event_id {
        line("event", event);
    }
    if let Some(trace) = &explained.trace_id {
        line("trace", trace);
    }
    line("owed", &explained.owed.as_ref().map_or_else(|| "nothing: the world knows".to_owned(), owed));
    text
}

fn owed(debt: &Debt) -> String {
    let what = match (debt.event, debt.cache) {
        (true, true) => "event and cache",
        (true, false) => "the event",
        (false, true) => "the cache",
        (false, false) => "nothing",
    };
    let (sequence, tries, age) = (&debt.event_sequence, debt.attempts, debt.age_seconds);
    format!("{what} of sequence {sequence}, for {age} s, {tries} tries by the sweep")
}

/// The proof in words; a word that this version does not know is shown as it is.
fn proof(word: &str) -> &str {
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
