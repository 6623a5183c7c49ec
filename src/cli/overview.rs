//! `overview`: what a running worker is doing, asked of its API; the same numbers as the first page of the console.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::Value;

use super::Context;
use super::print::visible;
use super::worker::Worker;

const AFTER_HELP: &str = "\
Without --at, the worker is asked where this configuration has it listen (http.listen). On loopback no token is needed, unless
http.tokens says otherwise; `token console` makes one.

Example:
  watch -n5 join-community --config config/local.toml overview";

/// Arguments of `overview`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Which worker.
    #[command(flatten)]
    pub worker: Worker,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let overview = args.worker.get("/api/v1/overview", context).await?;
    context.output.result(&overview, text)?;
    Ok(ExitCode::SUCCESS)
}

fn text(overview: &Value) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let gap = if text.is_empty() { "" } else { "\n" };
        // Writing to a String cannot fail.
        write!(text, "{gap}{name:<13} {}", visible(value)).unwrap_or_default();
    };
    let word = |name: &str| overview[name].as_str().unwrap_or_default().to_owned();
    let state = match (overview["ready"] == true, overview["draining"] == true) {
        (_, true) => "drains",
        (true, false) => "ready",
        (false, false) => "not ready",
    };
    line("worker", &format!("{state}, version {}, at {}", word("version"), word("at")));
    let issuer = Some(&overview["issuer"]).filter(|issuer| issuer.is_object());
    for light in overview["dependencies"].as_array().into_iter().flatten().chain(issuer) {
        let [name, since] = ["name", "since"].map(|field| light[field].as_str().unwrap_or_default());
        let why = light["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
        line(name, &format!("{} since {since}{why}", if light["up"] == true { "up" } else { "DOWN" }));
    }
    for set in overview["controls"].as_array().into_iter().flatten() {
        let [control, who, why] = ["control", "who", "reason"].map(|field| set[field].as_str().unwrap_or_default());
        line("set by hand", &format!("{control}, by {who}: {why}"));
    }
    line("a second", &numbers(&overview["rates"]));
    let arriving = Some(&overview["arriving"]).filter(|about| about.is_number());
    let arriving = arriving.map(|about| format!("about {} a second", number(about)));
    line("arrive", &arriving.unwrap_or_else(|| "not known yet".to_owned()));
    for queue in overview["queues"].as_array().into_iter().flatten() {
        let taken = queue["unacknowledged"].as_u64().map(|taken| format!(", {taken} taken")).unwrap_or_default();
        line(queue["queue"].as_str().unwrap_or_default(), &format!("{} wait{taken}", number(&queue["ready"])));
    }
    let seconds = |name: &str| overview[name].as_f64().map(|seconds| format!("{seconds:.0} s"));
    let at_most = || seconds("oldestRequestAtMostSeconds").map(|seconds| format!("at most {seconds}"));
    line("waited", &seconds("oldestRequestSeconds").or_else(at_most).unwrap_or_else(|| "not known".to_owned()));
    line("empty in", &seconds("drainSeconds").unwrap_or_else(|| "it does not shrink".to_owned()));
    line("owed", &numbers(&overview["outbox"]));
    let latencies = overview["latencies"].as_object().into_iter().flatten();
    for (name, spread) in latencies.filter(|(_, spread)| spread.is_object()) {
        line(&words(name), &shares(spread));
    }
    line("made dead", &reasons(&overview["deadLetters"]));
    line("refused", &reasons(&overview["refusals"]));
    line("cache drift", &numbers(&overview["cacheDrift"]));
    for target in overview["webhooks"].as_array().into_iter().flatten() {
        line("webhooks", &webhooks(target));
    }
    line("lanes", &numbers(&overview["lanes"]));
    text
}

/// About how long something took.
fn shares(spread: &Value) -> String {
    let share = |name: &str| match spread[name].as_f64().unwrap_or_default() {
        seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1000.0),
        seconds => format!("{seconds:.1} s"),
    };
    let [half, most, nearly_all] = ["p50Seconds", "p95Seconds", "p99Seconds"].map(share);
    format!("about {half} for half, {most} for 95 %, {nearly_all} for 99 %")
}

/// Dead letters or refusals since the worker started, by reason.
fn reasons(counted: &Value) -> String {
    let all = counted.as_array().into_iter().flatten().filter(|one| one["count"] != 0.0);
    let told = all.map(|one| format!("{} {}", number(&one["count"]), one["reason"].as_str().unwrap_or_default()));
    let told = told.collect::<Vec<_>>().join(", ");
    if told.is_empty() { "none since it started".to_owned() } else { format!("{told} since it started") }
}

fn webhooks(target: &Value) -> String {
    let [waiting, delivered, failed, dead] =
        ["waiting", "delivered", "failed", "dead"].map(|field| number(&target[field]));
    let name = target["target"].as_str().unwrap_or_default();
    let takes = if target["takes"] == true { "" } else { "NOT TAKEN, " };
    format!("{name}: {takes}{waiting} wait, {delivered} a second, {failed} a second in vain, {dead} given up")
}

/// The numbers of an object, each with its name.
fn numbers(of: &Value) -> String {
    let all = of.as_object().into_iter().flatten();
    all.map(|(name, value)| format!("{} {}", number(value), words(name))).collect::<Vec<_>>().join(", ")
}

fn number(value: &Value) -> String {
    match value.as_f64().unwrap_or_default() {
        whole if whole.fract() == 0.0 => format!("{whole:.0}"),
        // The pace of a lane is some thousandths of a second.
        small if small < 0.1 => format!("{small:.3}"),
        value => format!("{value:.1}"),
    }
}

/// `oldestSeconds` as words.
fn words(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::text;

    #[test]
    fn an_overview_is_told_in_lines() {
        let told = text(&json!({
            "at": "2026-01-02T03:04:05.678Z", "version": "1.0.0", "ready": false, "draining": false,
            "dependencies": [{ "name": "cache", "up": false, "reason": "refused", "since": "2026-01-02T03:04:05.678Z" }],
            "rates": { "requests": 1200.25, "joined": 1000.0 },
            "queues": [{ "queue": "requests", "ready": 12.0, "unacknowledged": 3 }],
            "arriving": 1300.25, "refusals": [{ "reason": "NO_PROOF", "count": 0.0 }, { "reason": "TOKEN_SITE", "count": 2.0 }],
            "oldestRequestAtMostSeconds": 61.5, "drainSeconds": 4.2, "outbox": { "members": 2.0, "oldestSeconds": 7.5 },
            "lanes": { "inFlight": 5.0, "paceSeconds": 0.005 },
            "latencies": { "queueWait": null, "joinToEvent": { "p50Seconds": 0.0124, "p95Seconds": 0.5, "p99Seconds": 2.0 } },
            "deadLetters": [{ "reason": "busy", "count": 3.0 }, { "reason": "conflict", "count": 0.0 }],
            "cacheDrift": { "behind": 1.0, "wrong": 0.0, "ahead": 0.0 },
            "webhooks": [{ "target": "crm", "takes": false, "waiting": 7.0, "delivered": 0.0, "failed": 0.5, "dead": 2.0 }],
            "issuer": { "name": "issuer", "up": true, "reason": null, "since": "2026-01-02T03:04:05.678Z" },
        }));
        for line in [
            "worker        not ready, version 1.0.0, at 2026-01-02T03:04:05.678Z",
            "cache         DOWN since 2026-01-02T03:04:05.678Z: refused",
            "a second      1000 joined, 1200.2 requests",
            "arrive        about 1300.2 a second",
            "refused       2 TOKEN_SITE since it started",
            "requests      12 wait, 3 taken",
            "waited        at most 62 s",
            "empty in      4 s",
            "owed          2 members, 7.5 oldest seconds",
            "lanes         5 in flight, 0.005 pace seconds",
            "issuer        up since 2026-01-02T03:04:05.678Z",
            "join to event about 12.4 ms for half, 500.0 ms for 95 %, 2.0 s for 99 %",
            "made dead     3 busy since it started",
            "cache drift   0 ahead, 1 behind, 0 wrong",
            "webhooks      crm: NOT TAKEN, 7 wait, 0 a second, 0.5 a second in vain, 2 given up",
        ] {
            assert!(told.lines().any(|told| told == line), "{line}\n{told}");
        }
    }
}
