//! The command line: the tree of commands and what all of them share. One file a command lies in `cli/`.

pub mod actions;
pub mod cache;
pub mod check;
pub mod completions;
pub mod contract;
pub mod controls;
pub mod dead_letters;
pub mod demo;
pub mod enqueue;
pub mod events;
pub mod explain;
pub mod manual;
pub mod members;
pub mod migrate;
pub mod overview;
pub mod ready;
pub mod requests;
pub mod run;
pub mod sites;
pub mod token;
pub mod topology;

pub mod print;
pub mod values;

mod long;
mod record;
mod signals;
mod who;
mod worker;

use std::error::Error;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{Parser, Subcommand};

pub use print::{Format, Output};

use crate::config::Config;
use crate::operations::COMMIT;
use crate::telemetry;

/// What `--version` says; `-V` leaves the commit out.
static VERSION: LazyLock<String> = LazyLock::new(|| format!("{} (commit {COMMIT})", env!("CARGO_PKG_VERSION")));

const AFTER_HELP: &str = "\
Configuration: built-in defaults, then the file of --config, then environment variables such as
JOIN_COMMUNITY__BROKER__URL. Every key is explained in config/default.toml.

Exit codes: 0 done, 1 failed, 2 wrong usage, 78 bad configuration.

Examples:
  join-community --config config/local.toml check
  join-community --config config/local.toml run --migrate
  join-community enqueue --site SITE --member MEMBER --wait
  join-community explain REQUEST_ID --output json";

/// Queue worker for `members.joinCommunity()`: takes requests from RabbitMQ, makes members public in PostgreSQL,
/// keeps their public profiles in Redis and announces each change as a member event.
#[derive(Debug, Parser)]
#[command(name = "join-community", version, long_version = VERSION.as_str())]
#[command(arg_required_else_help = true, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    /// Configuration file (TOML), laid over the built-in defaults.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub config: Option<PathBuf>,
    /// Form of the result; with `json`, stdout holds JSON only and everything else goes to stderr.
    #[arg(long, global = true, value_enum, value_name = "FORM", default_value_t, help_heading = "Everywhere")]
    pub output: Format,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the worker, with its operations server, until SIGTERM or SIGINT.
    Run(run::Args),
    /// Bring the database schema up to date.
    Migrate(migrate::Args),
    /// Declare, verify or export the exchanges and queues.
    #[command(subcommand)]
    Topology(topology::Command),
    /// Check broker, database, cache, keys and configuration against each other before going live.
    Check(check::Args),
    /// Ask the worker of this configuration whether it takes requests: exit code 0 if so.
    Ready(ready::Args),
    /// Import, export and show member records.
    #[command(subcommand)]
    Members(members::Command),
    /// Open or close the community of a site.
    #[command(subcommand)]
    Sites(sites::Command),
    /// Send one request, as a producer does.
    Enqueue(enqueue::Args),
    /// Make development keys and session tokens, and tokens for operators.
    #[command(subcommand)]
    Token(token::Command),
    /// Show what a running worker is doing.
    Overview(overview::Args),
    /// Tell why a request was answered as it was.
    Explain(explain::Args),
    /// Search the recorded requests.
    #[command(subcommand)]
    Requests(requests::Command),
    /// Show what operators did, through the console and by commands.
    Actions(actions::Args),
    /// Pause, hold, bound, drain and try at once by hand.
    #[command(subcommand)]
    Controls(controls::Command),
    /// Look at, replay and discard requests that could not be handled.
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
    /// Announce members once more, for consumers that came later or lost something.
    #[command(subcommand)]
    Events(events::Command),
    /// Rebuild the cache from the record, or compare the two.
    #[command(subcommand)]
    Cache(cache::Command),
    /// Print the contract for machines, or tell what differs between two of them and whom that breaks.
    #[command(subcommand)]
    Contract(contract::Command),
    /// Print what a shell needs to complete commands and options.
    Completions(completions::Args),
    /// Write the manual pages, one a command.
    Manual(manual::Args),
    /// Play the whole story on sample members and check that everything came out as promised.
    Demo(demo::Args),
}

impl Command {
    /// Runs the command. An error ends the process with exit code 1.
    ///
    /// # Errors
    /// Whatever kept the command from doing what it is for.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        // Boxed: one command's future shall not be as large as the largest of all.
        match self {
            Self::Run(args) => Box::pin(run::run(args, context)).await,
            Self::Migrate(args) => Box::pin(migrate::run(args, context)).await,
            Self::Topology(command) => Box::pin(topology::run(command, context)).await,
            Self::Check(args) => Box::pin(check::run(args, context)).await,
            Self::Ready(args) => Box::pin(ready::run(args, context)).await,
            Self::Members(command) => Box::pin(members::run(command, context)).await,
            Self::Sites(command) => Box::pin(sites::run(command, context)).await,
            Self::Enqueue(args) => Box::pin(enqueue::run(args, context)).await,
            Self::Token(command) => Box::pin(token::run(command, context)).await,
            Self::Overview(args) => Box::pin(overview::run(args, context)).await,
            Self::Explain(args) => Box::pin(explain::run(args, context)).await,
            Self::Requests(command) => Box::pin(requests::run(command, context)).await,
            Self::Actions(args) => Box::pin(actions::run(args, context)).await,
            Self::Controls(command) => Box::pin(controls::run(command, context)).await,
            Self::DeadLetters(command) => Box::pin(dead_letters::run(command, context)).await,
            Self::Events(command) => Box::pin(events::run(command, context)).await,
            Self::Cache(command) => Box::pin(cache::run(command, context)).await,
            Self::Contract(command) => Box::pin(contract::run(command, context)).await,
            Self::Completions(args) => Box::pin(completions::run(args, context)).await,
            Self::Manual(args) => Box::pin(manual::run(args, context)).await,
            Self::Demo(args) => Box::pin(demo::run(args, context)).await,
        }
    }
}

/// What every command is given.
#[derive(Debug)]
pub struct Context {
    /// The configuration, checked.
    pub config: Config,
    /// Where results go.
    pub output: Output,
    /// The file that the configuration was read from, for commands that start another process.
    pub config_file: Option<PathBuf>,
}

impl Context {
    /// Joins what was configured with what was asked for on the command line.
    #[must_use]
    pub const fn new(config: Config, format: Format, config_file: Option<PathBuf>) -> Self {
        Self { config, output: Output::new(format), config_file }
    }
}

/// Says on stderr why nothing was begun.
pub fn complain(problem: &impl Display) {
    print::complain(problem);
}

/// Says on stderr, with all its causes, why a command failed; yields exit code 1.
#[must_use]
pub fn fail(error: &anyhow::Error) -> ExitCode {
    let error: &(dyn Error + 'static) = error.as_ref();
    // Whoever closed our stdout (`| head`) has seen enough and wants no complaint.
    if !error.is::<print::Closed>() {
        print::complain(&format_args!("error: {}", telemetry::chain(error)));
    }
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::Cli;

    fn walk(command: &clap::Command, path: &str) {
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{path} {} has no help", argument.get_id());
        }
        for child in command.get_subcommands() {
            let path = format!("{path} {}", child.get_name());
            assert!(child.get_about().is_some(), "{path} has no help");
            walk(child, &path);
        }
    }

    #[test]
    fn the_tree_of_commands_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_argument_explains_itself() {
        walk(&Cli::command(), "join-community");
    }

    #[test]
    fn what_operators_set_says_why_under_one_name_and_what_only_looks_does_not() {
        let parses = |line: &str| Cli::try_parse_from(format!("join-community {line}").split_whitespace()).is_ok();
        let site = "6b0e7f1a-8c0d-4f3e-9a57-2d1c4b5e6f70";
        let (hold, release) = (format!("controls hold {site}"), format!("controls release {site}"));
        let set = format!("sites set {site} --public-member-candidates NO_ONE");
        let resync = format!("events resync --site {site}");
        let verbs = ["pause cache", "resume cache", "bounds --lanes 2 --batch 8", "unbound", "try-now cache", "drain"];
        let all = verbs.map(|verb| format!("controls {verb}")).into_iter().chain([hold, release, set, resync.clone()]);
        for command in all {
            assert!(!parses(&command) && parses(&format!("{command} --why ticket")), "{command}");
            assert!(!parses(&format!("{command} --why ticket --reason ticket")), "{command}");
        }
        for command in [&format!("{resync} --dry-run"), &format!("sites show {site}"), "controls list"] {
            assert!(parses(command), "{command}");
        }
    }

    #[test]
    fn the_configuration_file_may_stand_before_or_after_the_command() {
        for line in ["join-community --config x.toml check", "join-community check --config x.toml"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.config.unwrap().to_str(), Some("x.toml"), "{line}");
        }
        let line = "join-community dead-letters list --config x.toml --output json";
        assert!(Cli::try_parse_from(line.split(' ')).is_ok());
    }
}
