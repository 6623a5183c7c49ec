//! The connection to each service cut after byte k, for one k after the other: in its handshake, in the first request, and
//! up to the first thing that counts, on both ways.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::FutureExt as _;

use super::network::{BROKER, CACHE, DATABASE, begin};
use crate::dice::Dice;
use crate::proxy::{Cut, Cuts, Proxy, Said, Way};
use crate::trial::{Fault, Outcome, Trial};

/// Cuts of one installation; then it is checked, and another one made.
const ROUND: usize = 100;
/// Cuts of a short trial.
const FEW: usize = 12;
/// How long the cuts of one installation may take.
const LIMIT: Duration = Duration::from_mins(1);
/// Bytes between two cuts of a handshake.
const HANDSHAKE_STEP: usize = 32;
/// The first request is looked for so many bytes around where it was once: heartbeats may come before it, and names of
/// installations differ in length.
const SLACK: usize = 32;
/// Bytes between two cuts after the first request.
const LATER_STEP: usize = 16;
/// How PostgreSQL ends an answer.
const READY: (Way, &[u8]) = (Way::Down, b"Z\0\0\0\x05I");
/// AMQP's `channel.open`, `channel.open-ok` and `basic.ack`.
const OPEN: &[u8] = b"\0\x14\0\x0a";
const OPEN_OK: (Way, &[u8]) = (Way::Down, b"\0\x14\0\x0b");
const ACK: &[u8] = b"\0\x3c\0\x50";

pub(super) fn faults() -> Vec<Fault> {
    let fault = |name, what, quick, run| Fault { name, what, quick, alone: false, workers: &[1, 3], run };
    vec![
        fault(
            "network/rabbitmq-cut-at-bytes-consuming",
            "cut after byte k, up to the first acknowledgement",
            true,
            |trial| all(trial, CONSUMING).boxed(),
        ),
        fault(
            "network/rabbitmq-cut-at-bytes-publishing",
            "cut after byte k, up to the first confirm",
            false,
            |trial| all(trial, PUBLISHING).boxed(),
        ),
        fault(
            "network/postgres-cut-at-bytes",
            "cut after byte k, up to the first commit and its answer",
            true,
            |trial| all(trial, LANE).boxed(),
        ),
        fault("network/redis-cut-at-bytes", "cut after byte k, up to the first entry and its answer", true, |trial| {
            all(trial, ENTRIES).boxed()
        }),
    ]
}

/// What is said on the connections that are meant.
#[derive(Clone, Copy)]
struct Talk {
    variable: &'static str,
    /// Tell such a connection from others.
    words: &'static str,
    /// Stand at the start of the first request.
    asks: &'static [u8],
    /// Follow one another up to the answer to it, those words included.
    answered: &'static [(Way, &'static [u8])],
    /// The same up to the first thing that counts.
    counts: &'static [(Way, &'static [u8])],
}

const CONSUMING: Talk = Talk {
    variable: BROKER,
    words: "join-community consuming",
    asks: OPEN,
    answered: &[OPEN_OK],
    counts: &[OPEN_OK, (Way::Up, ACK)],
};
const PUBLISHING: Talk = Talk {
    variable: BROKER,
    words: "join-community publishing",
    asks: OPEN,
    answered: &[OPEN_OK],
    counts: &[OPEN_OK, (Way::Down, ACK)],
};
const LANE: Talk = Talk {
    variable: DATABASE,
    words: "join-community lane",
    asks: b"transaction_read_only",
    answered: &[(Way::Up, b"transaction_read_only"), READY, READY],
    counts: &[(Way::Up, b"INSERT INTO join_requests"), READY, READY],
};
const ENTRIES: Talk = Talk {
    variable: CACHE,
    words: "SCRIPT",
    asks: b"SCRIPT",
    answered: &[(Way::Up, b"SCRIPT"), (Way::Down, b"\r\n")],
    counts: &[(Way::Up, b"EVALSHA"), (Way::Down, b"\r\n")],
};

async fn all(trial: Trial, talk: Talk) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut planned: Option<Plan> = None;
    loop {
        let (mut stage, proxy, mut sender) = begin(&trial, talk.variable, if trial.quick { 200 } else { 500 }).await?;
        sender.until(10).await?;
        let mut plan = match planned.take() {
            Some(plan) => plan,
            None => Plan::of(&proxy, talk, &trial).await?,
        };
        let later = plan.cuts.split_off(plan.cuts.len().min(ROUND));
        let now = plan.cuts.len();
        proxy.plan(Cuts::new(talk.words, plan.greeted, &plan.cuts));
        // Those from before are past most of the cuts.
        proxy.interrupt().await;
        let began = tokio::time::Instant::now();
        while proxy.left() > 0 && began.elapsed() < LIMIT {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let unmade = proxy.plan(Cuts::default());
        let made = now - unmade.len();
        ensure!(made > 0, "none of {now} cuts was met within {LIMIT:?}: {:?}", unmade.first());
        stage.healed();
        let (what, greeted) = (plan.what, plan.greeted);
        outcome.add(Outcome { times: u64::try_from(made)?, ..stage.conclude(sender).await? });
        plan.cuts = [unmade, later].concat();
        if plan.cuts.is_empty() || !outcome.findings.is_empty() {
            outcome.note = what;
            return Ok(outcome);
        }
        planned = Some(Plan { cuts: plan.cuts, what, greeted });
    }
}

/// What is left to be cut, and where a handshake ends.
struct Plan {
    cuts: Vec<Cut>,
    greeted: [usize; 2],
    what: String,
}

impl Plan {
    /// By what was said on the first connection that has come far enough.
    async fn of(proxy: &Proxy, talk: Talk, trial: &Trial) -> Result<Self> {
        let began = tokio::time::Instant::now();
        loop {
            if let Some(plan) = proxy.said().iter().find_map(|said| Self::by(said, talk)) {
                return Ok(plan.sized(trial));
            }
            ensure!(began.elapsed() < LIMIT, "no connection of {:?} came as far as is to be cut", talk.words);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn by(said: &Said, talk: Talk) -> Option<Self> {
        said.before(talk.words.as_bytes())?;
        let greeted = said.before(talk.asks)?;
        let (answered, counted) = (said.after(talk.answered)?, said.after(talk.counts)?);
        let mut cuts = Vec::new();
        for way in [Way::Up, Way::Down] {
            let [greeted, answered, counted] = [greeted, answered, counted].map(|at| at[way as usize]);
            let first = greeted.saturating_sub(SLACK)..=answered + SLACK;
            let handshake = (0..*first.start()).step_by(HANDSHAKE_STEP);
            let later = (first.end() + 1..=counted).step_by(LATER_STEP);
            cuts.extend(handshake.chain(first).chain(later).map(|after| Cut { way, after }));
        }
        let bytes = |at: [usize; 2]| format!("{}/{}", at[0], at[1]);
        let what = format!("handshake {}, first request {}, all {}", bytes(greeted), bytes(answered), bytes(counted));
        Some(Self { cuts, greeted, what: format!("{what} bytes there/back") })
    }

    /// Everything, in order, or a few by chance.
    fn sized(mut self, trial: &Trial) -> Self {
        if trial.quick {
            Dice::new(trial.seed).shuffle(&mut self.cuts);
            self.cuts.truncate(FEW);
        }
        self
    }
}
