//! What a site waits for a single answer while a million requests of another one lie in the queue, with fairness and without;
//! and what that costs the other one.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::StreamExt as _;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::cli::Cli;
use crate::clock;
use crate::figures::{Spread, count, percentile};
use crate::ground::{Ground, Size, Tables};
use crate::memory::mebibytes;
use crate::place::dial;
use crate::process::Process;
use crate::progress::Progress;
use crate::records::Member;
use crate::requests::{Manner, enqueue, publish, request};
use crate::series::worker_command;
use crate::suite::support::Issuer;
use crate::targets::{self, Bound, Target};

const REQUESTS: usize = 1_000_000;
/// Where it is compared with what goes without fairness.
const FEWER: usize = 100_000;
const QUICK: usize = 1_000;
/// Members of the site that asks now and then.
const OTHERS: usize = 2_000;
const NOW_AND_THEN: Duration = Duration::from_millis(100);
/// Between two looks at whether all is done, and at what lies in the queues.
const LOOK: Duration = Duration::from_millis(250);
/// From the first delivery to the first request of the other site.
const AT_WORK: Duration = Duration::from_secs(1);
/// How long it may take after the last was sent.
const LIMIT: Duration = Duration::from_mins(10);
/// Where requests are sent to.
const REQUEST: (&str, &str) = ("join-community", "request");
const REPLIES: &str = "amq.rabbitmq.reply-to";

/// One case.
#[derive(Clone, Copy)]
struct Case {
    /// Requests of the one site.
    requests: usize,
    /// They lie in the queue before the worker starts.
    is_there_before: bool,
    /// As it is by default, or nobody goes ahead.
    is_fair: bool,
}

/// What came of it.
struct Seen {
    case: Case,
    /// Seconds until the last was sent, and until the last was joined.
    sent: f64,
    joined: f64,
    /// How long the other site waited for each answer, in milliseconds.
    waits: Vec<f64>,
    /// The most that was seen in the queue.
    deepest: usize,
    /// The most memory that the worker ever had resident.
    peak: f64,
}

/// Measures each case, once: each takes minutes.
pub(crate) async fn measure(cli: &Cli) -> Result<String> {
    let most = if cli.quick { QUICK } else { cli.requests().unwrap_or(REQUESTS) };
    let fewer = FEWER.min(most);
    let case = |requests, is_there_before, is_fair| Case { requests, is_there_before, is_fair };
    let mut cases =
        vec![case(fewer, true, true), case(fewer, true, false), case(fewer, false, true), case(fewer, false, false)];
    if most > fewer {
        cases.insert(0, case(most, true, true));
    }
    let progress = Progress::of(cases.len());
    let mut all = Vec::new();
    for case in cases {
        progress.begins(case.name());
        let seen = Box::pin(once(case, cli)).await.with_context(|| case.name())?;
        progress.done(&seen.row());
        all.push(seen);
    }
    let mut targets: Vec<Target> = all.iter().filter(|seen| seen.is_judged()).map(target_of).collect();
    targets.push(memory_of(&all[0]));
    Ok(format!("{}\n{}", table(&all), targets::table(&targets)))
}

async fn once(case: Case, cli: &Cli) -> Result<Seen> {
    let mut ground = Ground::lay(Tables::Ours, Size::of(0)).await?;
    let others = ground.settle_two_sites(case.requests, OTHERS).await?;
    if case.is_there_before {
        enqueue(&ground, &Manner::Producer).await?;
        clock::until_full(&ground).await?;
    }
    let mut command = worker_command(&cli.worker, &ground);
    if !case.is_fair {
        command.env("JOIN_COMMUNITY__FAIRNESS__SHARE", "0");
    }
    let began = Instant::now();
    let mut process = Process::start("worker", &mut command)?;
    clock::until_consuming(&ground, &mut process).await?;
    // Who looks ahead sees what comes from then on.
    tokio::time::sleep(AT_WORK).await;
    let stop = CancellationToken::new();
    let asking = tokio::spawn(ask_now_and_then(ground.place.producer_url.clone(), others, stop.clone()));
    let began = if case.is_there_before { began } else { Instant::now() };
    let mut deepest = 0;
    let sent = {
        let sending = async { if case.is_there_before { Ok(()) } else { enqueue(&ground, &Manner::Producer).await } };
        tokio::pin!(sending);
        loop {
            tokio::select! {
                done = &mut sending => break done?,
                () = tokio::time::sleep(LOOK) => deepest = deepest.max(ground.waiting().await?),
            }
        }
        began.elapsed().as_secs_f64()
    };
    let deadline = Instant::now() + LIMIT;
    while !ground.is_joined().await? {
        ensure!(Instant::now() < deadline, "not all joined within {LIMIT:?}");
        process.is_alive()?;
        deepest = deepest.max(ground.waiting().await?);
        tokio::time::sleep(LOOK).await;
    }
    let joined = began.elapsed().as_secs_f64();
    stop.cancel();
    let waits = asking.await??;
    let peak = mebibytes(process.memory("VmHWM")?);
    process.stop().await?;
    ground.clear().await?;
    Ok(Seen { case, sent, joined, waits, deepest, peak })
}

/// Asks for one member after the other, whatever comes back, until `stop` and the last answer. Answers how many milliseconds
/// each took.
async fn ask_now_and_then(url: String, members: Vec<Member>, stop: CancellationToken) -> Result<Vec<f64>> {
    let (connection, issuer) = (dial(&url).await?, Issuer::new());
    let channel = connection.create_channel().await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut replies = channel.basic_consume(REPLIES.into(), "".into(), options, FieldTable::default()).await?;
    let (mut ticks, mut open, mut waits) = (interval(NOW_AND_THEN), HashMap::new(), Vec::new());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut members = members.iter().cycle();
    while !stop.is_cancelled() {
        tokio::select! {
            _ = ticks.tick() => {
                let member = members.next().context("nobody to ask for")?;
                let (id, at) = ask(&channel, *member, &issuer).await?;
                open.insert(id, at);
            }
            answered = answer(&mut replies, &mut open) => waits.extend(answered?),
        }
    }
    while !open.is_empty() {
        waits.extend(timeout(LIMIT, answer(&mut replies, &mut open)).await.context("an answer is missing")??);
    }
    connection.close(200, "done".into()).await?;
    Ok(waits)
}

async fn ask(channel: &Channel, member: Member, issuer: &Issuer) -> Result<(String, Instant)> {
    let (body, properties) = request(member, &Manner::Producer, issuer)?;
    let id = properties.message_id().as_ref().context("no message_id")?.to_string();
    let sent = Instant::now();
    publish(channel, (REQUEST.0.into(), REQUEST.1.into()), &body, properties.with_reply_to(REPLIES.into())).await?;
    Ok((id, sent))
}

/// Waits for an answer, and says how many milliseconds it took; nothing of a repeated one: who went ahead comes from the queue
/// as well.
async fn answer(replies: &mut Consumer, open: &mut HashMap<String, Instant>) -> Result<Option<f64>> {
    let reply = replies.next().await.context("the consumer of replies ended")??;
    let id = reply.properties.correlation_id().as_ref().context("a reply to nothing")?.as_str();
    Ok(open.remove(id).map(|sent| sent.elapsed().as_secs_f64() * 1e3))
}

impl Case {
    fn name(self) -> String {
        let how = if self.is_there_before { "lie there before the worker starts" } else { "are sent while it runs" };
        let fair = if self.is_fair { "with fairness" } else { "without" };
        format!("{} {how}, {fair}", self.requests)
    }
}

impl Seen {
    /// Whether nobody may wait for long here: nobody promises that without fairness.
    fn is_judged(&self) -> bool {
        self.case.is_fair
    }

    fn percentile(&self, percent: usize) -> f64 {
        percentile(&mut self.waits.clone(), percent).unwrap_or_default()
    }

    fn row(&self) -> String {
        format!(
            "| {} | {:.0} | {:.0} | {:.0} | {} | {:.0} | {:.0} | {:.0} | {} |",
            self.case.name(),
            self.sent,
            self.joined,
            count(self.case.requests) / self.joined,
            self.waits.len(),
            self.percentile(50),
            self.percentile(99),
            self.percentile(100),
            self.deepest,
        )
    }
}

fn table(all: &[Seen]) -> String {
    let head = "| requests of site A | all sent after, s | all joined after, s | joins/s of A | requests of site B \
                | B waits, ms: p50 | p99 | max | most in the queue |\n\
                |---|--:|--:|--:|--:|--:|--:|--:|--:|\n";
    all.iter().fold(head.to_owned(), |table, seen| table + &seen.row() + "\n")
}

fn target_of(seen: &Seen) -> Target {
    Target {
        figure: format!("longest wait of B: {}", seen.case.name()),
        bound: Bound::AtMost(2_000.0),
        unit: "ms",
        measured: Spread::of([seen.percentile(100)]),
    }
}

fn memory_of(seen: &Seen) -> Target {
    Target {
        figure: "most memory resident meanwhile".to_owned(),
        bound: Bound::AtMost(64.0),
        unit: "MiB",
        measured: Spread::of([seen.peak]),
    }
}
