//! `explain`: why a request was answered as it was.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::bail;

use super::Context;
use super::print::visible;
use super::values;
use crate::console::{Explained, explain, proof};
use crate::domain::{RequestId, SiteId};
use crate::postgres::{Role, Session};

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
    let records: Vec<_> = found.iter().map(|record| (&args.request, record)).collect();
    let explained = explain(&mut store, &records).await;
    context.output.result(&explained, |all| all.iter().map(text).collect::<Vec<_>>().join("\n\n"))?;
    Ok(ExitCode::SUCCESS)
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
