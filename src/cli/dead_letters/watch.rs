//! `progress`, `stop` and `resume`: the replay that goes on in a running worker, asked of its API.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::Context;
use crate::cli::print::visible;
use crate::cli::record::Why;
use crate::cli::worker::Worker;

const REPLAY: &str = "/api/v1/dead-letters/replay";

/// Shows how far it is.
pub(super) async fn progress(worker: &Worker, context: &Context) -> anyhow::Result<ExitCode> {
    tell(&worker.get(REPLAY, context).await?, context)
}

/// Has it stop. What is being sent is finished: `progress` tells when it has ended.
pub(super) async fn stop(why: &Why, worker: &Worker, context: &Context) -> anyhow::Result<ExitCode> {
    order("stop", why, worker, context).await
}

/// Has it go on.
pub(super) async fn resume(why: &Why, worker: &Worker, context: &Context) -> anyhow::Result<ExitCode> {
    order("resume", why, worker, context).await
}

async fn order(what: &str, why: &Why, worker: &Worker, context: &Context) -> anyhow::Result<ExitCode> {
    let order = json!({ "reason": why.why });
    tell(&worker.post(&format!("{REPLAY}/{what}"), &order, context).await?, context)
}

fn tell(state: &Value, context: &Context) -> anyhow::Result<ExitCode> {
    context.output.result(&state["replay"], text)?;
    Ok(ExitCode::SUCCESS)
}

fn text(replay: &Value) -> String {
    if replay.is_null() {
        return "Nothing was replayed since this worker started.".to_owned();
    }
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let gap = if text.is_empty() { "" } else { "\n" };
        // Writing to a String cannot fail.
        write!(text, "{gap}{name:<15} {}", visible(value)).unwrap_or_default();
    };
    let word = |name: &str| replay[name].as_str().unwrap_or_default();
    line("replay", word("id"));
    line("letters", word("letters"));
    line("begun", &format!("{} by {}", word("began"), word("who")));
    let tally = &replay["tally"];
    let state = match (replay["running"] == true, replay["resumable"] == true) {
        (true, _) => format!("it goes on, step {}", tally["steps"].as_u64().unwrap_or_default() + 1),
        (false, true) => format!("{}; `dead-letters resume` goes on", word("outcome")),
        (false, false) => word("outcome").to_owned(),
    };
    line("state", &state);
    for (name, count) in [
        ("before", &replay["replayedBefore"]),
        ("chosen", &tally["chosen"]),
        ("replayed", &tally["replayed"]),
        ("came back", &tally["cameBack"]),
        ("without outcome", &tally["unsettled"]),
        ("refused", &tally["refused"]),
        ("left", &tally["left"]),
    ] {
        line(name, &count.to_string());
    }
    for (verdict, count) in tally["verdicts"].as_object().into_iter().flatten() {
        line(verdict, &count.to_string());
    }
    let failures = [&tally["failed"], &replay["refused"]].into_iter().filter_map(Value::as_array).flatten();
    for failure in failures {
        line("failed", &format!("{}: {}", plain(&failure["id"]), plain(&failure["why"])));
    }
    text
}

fn plain(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
