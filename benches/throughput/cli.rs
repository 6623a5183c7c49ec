//! What a run can be asked for.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::other::Other;

/// Measures the worker, its ceilings and its peers side by side, durable everywhere
#[derive(Debug, Parser)]
#[command(name = "make bench", bin_name = "make bench", version)]
pub(crate) struct Cli {
    /// What is measured; each part has a table of its own
    #[arg(long, value_delimiter = ',', value_name = "PARTS", default_value = "throughput")]
    pub(crate) only: Vec<Part>,
    /// Only series whose name holds one of these words; --list names them
    #[arg(long, value_delimiter = ',', value_name = "WORDS")]
    pub(crate) series: Vec<String>,
    /// How often each series is measured; they take turns
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How long a series should run at least, in seconds; a round that does not count finds out how many requests that takes
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// So many requests in every series instead
    #[arg(long, value_name = "NUMBER")]
    requests: Option<usize>,
    /// Shows that everything works: few requests, one round, figures that mean nothing
    #[arg(long)]
    pub(crate) quick: bool,
    /// Writes the tables into this document, between their marks, if the run is a whole one
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Names the series and ends
    #[arg(long)]
    pub(crate) list: bool,
    /// The worker's binary
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_join-community"))]
    pub(crate) worker: PathBuf,
    #[command(flatten)]
    pub(crate) other: Other,
    /// What cargo adds to the arguments of every bench
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// A part of the program, with a table of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Joins per second of all series
    Throughput,
    /// Where a request's time goes: threads, system calls, statements, bytes, commands, functions; one run of 100,000
    Profile,
    /// The worker with a session token in each request
    Tokens,
    /// What the worker chooses for itself beside lanes and batches set by hand, with a database nearby and one 5 ms away
    Steering,
    /// The worker with requests spread over 1, 2 and 4 queues
    Shards,
    /// From start to the first ack, and from SIGTERM to the end
    StartStop,
    /// One request at a steady rate, beside a bare relay, and what the worker's batches took
    Latency,
    /// Resident memory, with a million requests, after them, and with none
    Memory,
    /// What one site waits while another sends a million requests; ten minutes
    Fairness,
    /// Ten million members, a backlog of a million, ten million recorded requests; half an hour
    Sizes,
}

impl Part {
    /// Every part, in the order of the document.
    pub(crate) const ALL: [Self; 10] = [
        Self::Throughput,
        Self::Profile,
        Self::Tokens,
        Self::Steering,
        Self::Shards,
        Self::StartStop,
        Self::Latency,
        Self::Memory,
        Self::Fairness,
        Self::Sizes,
    ];

    /// Its name, and that of its table's marks.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Profile => "profile",
            Self::Tokens => "tokens",
            Self::Steering => "steering",
            Self::Shards => "shards",
            Self::StartStop => "start-stop",
            Self::Latency => "latency",
            Self::Memory => "memory",
            Self::Fairness => "fairness",
            Self::Sizes => "sizes",
        }
    }

    /// Whether another build can be measured beside the worker.
    pub(crate) const fn has_other(self) -> bool {
        match self {
            Self::Throughput | Self::Latency => true,
            Self::Profile
            | Self::Tokens
            | Self::Steering
            | Self::Shards
            | Self::StartStop
            | Self::Memory
            | Self::Fairness
            | Self::Sizes => false,
        }
    }
}

/// What this program is itself when it is started by a run.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The worker with database and cache answered from nothing
    #[command(hide = true)]
    BrokerCeiling,
    /// Loads, commits, writes and forgets what its database holds, without a broker
    #[command(hide = true)]
    StoreCeiling,
    /// Serves one message a task
    #[command(hide = true)]
    OneAtATime {
        /// Messages in flight
        in_flight: u16,
    },
    /// Takes, publishes, waits for the confirm, acknowledges
    #[command(hide = true)]
    Relay,
}

/// Requests of a quick run.
const QUICK: usize = 300;

impl Cli {
    /// How many rounds are made.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds.into() }
    }

    /// How many requests each series is given, if that is not to be found out.
    pub(crate) fn requests(&self) -> Option<usize> {
        self.requests.or(self.quick.then_some(QUICK))
    }

    /// Whether what comes of the run is worth being written down: nothing left out, nothing added, nothing made smaller.
    pub(crate) fn is_whole(&self) -> bool {
        self.series.is_empty()
            && !self.other.is_given()
            && self.requests().is_none()
            && self.rounds >= 5
            && self.seconds >= 5.0
    }
}
