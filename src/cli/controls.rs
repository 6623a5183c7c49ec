//! `controls`: what operators set by hand for all workers, and what one is told: to stop, to try a service at once.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use serde_json::json;

use super::Context;
use super::print::visible;
use super::record::{Deed, Why};
use super::values;
use super::worker::Worker;
use crate::console::SetControl;
use crate::domain::{Bounds, Control, SiteId};
use crate::postgres::{Action, Role, Session, Terms};

/// What can be paused.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Part {
    /// Taking requests: they wait in their queue.
    Intake,
    /// Publishing events: they stay owed.
    Events,
    /// Writing to the cache: it stays owed.
    Cache,
    /// All use of PostgreSQL, as in an outage: requests wait in their queue.
    Database,
}

/// What can be tried at once.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Service {
    /// RabbitMQ.
    Broker,
    /// PostgreSQL.
    Database,
    /// Redis.
    Cache,
}

/// Commands of `controls`. What is set counts for all workers within a second or two, and for those that start later; who,
/// what and why stand in `actions`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show what is set.
    List,
    /// Pause a part of the work.
    Pause {
        /// Which.
        part: Part,
        /// Why.
        #[command(flatten)]
        why: Why,
        /// For how long.
        #[command(flatten)]
        how_long: HowLong,
    },
    /// Go on with it.
    Resume {
        /// With which.
        part: Part,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Have the requests of a site wait on the retry ladder.
    Hold {
        /// The site.
        #[arg(value_parser = values::site)]
        site: SiteId,
        /// Why.
        #[command(flatten)]
        why: Why,
        /// For how long.
        #[command(flatten)]
        how_long: HowLong,
    },
    /// Take them again: those that wait come within half a minute.
    Release {
        /// The site.
        #[arg(value_parser = values::site)]
        site: SiteId,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Set how many lanes work in each worker and how large batches are, instead of what each chooses.
    Bounds {
        /// Lanes that work, up to `join.lanes`.
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
        lanes: u16,
        /// Most requests in a batch, up to `join.batch_max`.
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
        batch: u16,
        /// Why.
        #[command(flatten)]
        why: Why,
        /// For how long.
        #[command(flatten)]
        how_long: HowLong,
    },
    /// Let workers choose again.
    Unbound {
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Have one running worker try a service that is out at once, instead of at the end of a pause that has grown.
    TryNow {
        /// Which.
        service: Service,
        /// Why.
        #[command(flatten)]
        why: Why,
        /// Which worker.
        #[command(flatten)]
        worker: Worker,
    },
    /// Have one running worker stop as after SIGTERM.
    Drain {
        /// Why.
        #[command(flatten)]
        why: Why,
        /// Which worker.
        #[command(flatten)]
        worker: Worker,
    },
}

/// For how long.
#[derive(Debug, clap::Args)]
pub struct HowLong {
    /// For how long, as 10m or 2h; without it, until it is released.
    #[arg(long = "for", value_name = "TIME", value_parser = values::duration)]
    pub lasting: Option<Duration>,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<ExitCode> {
    let mut store = Session::new(&context.config.database, Role::Tool)?;
    match command {
        Command::List => {}
        Command::Pause { part, why, how_long } => set(&mut store, part.control(), &why, how_long.terms()).await?,
        Command::Resume { part, why } => release(&mut store, part.control(), &why).await?,
        Command::Hold { site, why, how_long } => {
            set(&mut store, Control::HoldSite(site), &why, how_long.terms()).await?;
        }
        Command::Release { site, why } => release(&mut store, Control::HoldSite(site), &why).await?,
        Command::Bounds { lanes, batch, why, how_long } => {
            let terms = Terms { bounds: Some(Bounds { lanes, batch }), ..how_long.terms() };
            set(&mut store, Control::Bounds, &why, terms).await?;
        }
        Command::Unbound { why } => release(&mut store, Control::Bounds, &why).await?,
        Command::TryNow { service, why, worker } => {
            let order = json!({ "service": service.name(), "reason": why.why });
            worker.post("/api/v1/try-now", &order, context).await?;
            context.output.result(&json!({ "tried": service.name() }), |_| {
                format!("The worker tries the {} now; `ready` says what comes of it.", service.name())
            })?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Drain { why, worker } => {
            worker.post("/api/v1/drain", &json!({ "reason": why.why }), context).await?;
            context.output.result(&json!({ "draining": true }), |_| "The worker stops.".to_owned())?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    let set: Vec<SetControl> = store.controls().await?.into_iter().map(SetControl::from).collect();
    context.output.result(&set, |set| match set.as_slice() {
        [] => "Nothing is set.".to_owned(),
        set => set.iter().map(|one| visible(&one.in_words()).into_owned()).collect::<Vec<_>>().join("\n"),
    })?;
    Ok(ExitCode::SUCCESS)
}

impl Part {
    const fn control(self) -> Control {
        match self {
            Self::Intake => Control::PauseIntake,
            Self::Events => Control::PauseEvents,
            Self::Cache => Control::PauseCache,
            Self::Database => Control::PauseDatabase,
        }
    }
}

impl Service {
    const fn name(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Database => "database",
            Self::Cache => "cache",
        }
    }
}

impl HowLong {
    fn terms(&self) -> Terms {
        Terms { bounds: None, seconds: self.lasting.map(|time| time.as_secs_f64()) }
    }
}

async fn set(store: &mut Session, control: Control, why: &Why, terms: Terms) -> anyhow::Result<()> {
    Ok(store.set_control(&action("controls.set", control, why, "set"), terms).await?)
}

async fn release(store: &mut Session, control: Control, why: &Why) -> anyhow::Result<()> {
    let action = action("controls.release", control, why, "released");
    if !store.release_control(&action).await? {
        bail!("{control} is not set: see `controls list`");
    }
    Ok(())
}

/// Whoever may use the database may do this: the name is a courtesy, the right is the database's.
fn action(word: &'static str, control: Control, why: &Why, outcome: &str) -> Action {
    Deed { action: word, target: &control.to_string(), why: &why.why }.action(outcome)
}
