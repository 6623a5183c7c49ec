//! `explain`: why a request was answered as it was.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use secrecy::ExposeSecret as _;

use super::Context;
use super::print::visible;
use super::values;
use crate::config::Broker;
use crate::console::{Explained, explain, proof};
use crate::domain::{RequestId, SiteId};
use crate::postgres::{Role, Session};
use crate::rabbitmq::dead_letters::{DeadLetters, DeadLettersError, Letter};
use crate::telemetry::chain;

const AFTER_HELP: &str = "\
Several requesters may have used the same id; all of them are shown, each with its own verdict. A request that is not recorded
waits on the retry ladder, was dead-lettered, was refused as unauthenticated, or is older than `requests.retention`: it is
looked for among the oldest 2,000 dead letters, if `broker.operator_url` names a user who may read them.";

/// So many dead letters are looked through, the oldest.
const MOST_READ: u32 = 2_000;
/// Most letters of one request that are told.
const MOST_TOLD: usize = 10;

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

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let mut store = Session::new(&context.config.database, Role::Tool)?;
    let found = store.recorded(&args.request, args.site).await?;
    if found.is_empty() {
        let place = args.site.map_or_else(|| "any site".to_owned(), |site| format!("site {site}"));
        let why = Box::pin(unanswered(&args, &context.config.broker)).await;
        bail!("no verdict is recorded for request {} at {place}: {why}", args.request);
    }
    let records: Vec<_> = found.iter().map(|record| (&args.request, record)).collect();
    let explained = explain(&mut store, &records).await;
    context.output.result(&explained, |all| all.iter().map(text).collect::<Vec<_>>().join("\n\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Why there is no verdict, as far as the dead letters tell.
async fn unanswered(args: &Args, broker: &Broker) -> String {
    let otherwise = "it waits on the retry ladder, was dead-lettered, was refused as unauthenticated, or is older than \
                     requests.retention";
    if broker.operator_url.expose_secret().is_empty() {
        return format!("{otherwise}; broker.operator_url is empty, so the dead letters were not looked through");
    }
    match died(args, broker).await {
        Ok((told, _)) if !told.is_empty() => format!("it was dead-lettered; {}", told.join("; ")),
        Ok((_, total)) => {
            let read = total.min(MOST_READ);
            format!("{otherwise}; it is not among the {read} of {total} dead letters that were read just now")
        }
        Err(error) => format!("{otherwise}; the dead letters could not be looked through: {}", chain(&error)),
    }
}

/// The letters of a request, in words, and how many letters there are of all requests.
async fn died(args: &Args, broker: &Broker) -> Result<(Vec<String>, u32), DeadLettersError> {
    let mut letters = DeadLetters::open(broker).await?.only_oldest(MOST_READ);
    let (total, mut told) = (letters.total(), Vec::new());
    let read = async {
        while told.len() < MOST_TOLD
            && let Some(letter) = letters.next().await?
        {
            if is_of(args, &letter) {
                let attempts = letter.attempts.map(|attempts| format!(", attempts {attempts}")).unwrap_or_default();
                let history = letter.history_in_words().map(|words| format!(" ({words})")).unwrap_or_default();
                let reason = letter.reason.unwrap_or("unknown");
                told.push(format!("letter {}, reason {reason}{attempts}{history}", letter.id));
            }
        }
        Ok::<_, DeadLettersError>(())
    }
    .await;
    let closed = letters.close().await;
    read?;
    closed?;
    Ok((told, total))
}

/// Whether a letter is of this request; one whose body names no site may be.
fn is_of(args: &Args, letter: &Letter) -> bool {
    letter.incoming.message_id.as_deref() == Some(args.request.as_str())
        && args.site.is_none_or(|wanted| letter.about().0.is_none_or(|site| site == wanted))
}

fn text(explained: &Explained) -> String {
    let mut text = format!("Request {} at site {}", explained.request_id, explained.site_id);
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        write!(text, "\n  {name:<10} {}", visible(value)).unwrap_or_default();
    };
    line("asked to", explained.method);
    line("verdict", &explained.verdict_in_words());
    line("changed", explained.changed);
    line("rule", &explained.rule_in_words());
    if let Some(facts) = explained.facts_in_words() {
        line("facts", &facts);
    }
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
    for (name, when) in [("confirmed", explained.confirmed_in_words()), ("cached", explained.cached_in_words())] {
        if let Some(when) = when {
            line(name, &when);
        }
    }
    if let Some(trace) = &explained.trace_id {
        line("trace", trace);
    }
    line("owed", &explained.owed.as_ref().map_or_else(|| "nothing: the world knows".to_owned(), ToString::to_string));
    text
}
