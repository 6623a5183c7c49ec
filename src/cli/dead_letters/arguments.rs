//! The arguments of `dead-letters`. Apart from what the commands do, because they are many.

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgGroup;

use super::which::{self, Filter, Which};
use crate::cli::record::{Unmask, Why};
use crate::cli::values;
use crate::cli::worker::Worker;

const AFTER_HELP: &str = "\
What is read is held back from others until the command ends, and then lies where it lay before.";

/// As `--rate` spells [`crate::replay::USUAL_RATE`].
const USUAL_RATE: &str = "100/s";

const AFTER_REPLAY: &str = "\
A letter is taken in as a delivery is: it must prove who asks. It goes only once its replacement is confirmed.

Steps of 1, 5, 25, 125, … letters: after each, the outcomes are waited for (the verdicts on record, and what came back into
the dead letters), and the next is taken only if few enough failed. Failures are: a dead letter again, no outcome in time, and
a rejection, which is final for its request id. Ctrl-C stops between two letters; the command that goes on is printed.

Examples:
  join-community dead-letters replay --dry-run --reason busy
  join-community dead-letters replay --reason busy --rate 50/s --why 'the lock is gone'
  join-community dead-letters replay --site SITE --since 2026-11-24T10:00:00Z --why 'ticket 4711'";

const AFTER_EDIT: &str = "\
The edited letter keeps its request id, its caller and its proof. It can say no other site, no other caller and no more
elevation than the letter did, unless a token that lies on it covers that. What it would come to is shown before it is sent.
For seven days `restore` takes back the letter as it was.";

/// Commands of `dead-letters`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub enum Command {
    /// List them, and count them by reason, and by error and version with the first and the last. Looking changes nothing.
    List {
        /// Which.
        #[command(flatten)]
        look: Look,
        /// Only count them by reason, error and version.
        #[arg(long)]
        groups: bool,
    },
    /// Show one of them whole, its token and personal data masked.
    Show {
        /// Its id, as `list` shows it.
        #[arg(value_parser = which::id)]
        id: String,
        /// One of those that were discarded.
        #[arg(long)]
        discarded: bool,
        /// What is shown of it.
        #[command(flatten)]
        unmask: Unmask,
    },
    /// Put them back into the request queue, as far as they prove who asks; exit code 1 if any is refused or fails.
    #[command(after_help = AFTER_REPLAY)]
    Replay(Replay),
    /// Show how far a replay is that was begun in a worker's console or API, or what the last one came to.
    Progress {
        /// Which worker.
        #[command(flatten)]
        worker: Worker,
    },
    /// Have such a replay stop between two letters.
    Stop {
        /// Why.
        #[command(flatten)]
        why: Why,
        /// Which worker.
        #[command(flatten)]
        worker: Worker,
    },
    /// Have such a replay go on where it stopped, by the order that it had. What it sent is not sent again.
    Resume {
        /// Why.
        #[command(flatten)]
        why: Why,
        /// Which worker.
        #[command(flatten)]
        worker: Worker,
    },
    /// Replay one of them with another body.
    #[command(after_help = AFTER_EDIT)]
    Edit(Edit),
    /// Remove them, once the number is given. For seven days they can be restored.
    Discard(Discard),
    /// Take back what was discarded.
    Restore {
        /// Which of those that were discarded.
        #[command(flatten)]
        which: Which,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Write them, one JSON object a line, their tokens and personal data masked. Only what is unmasked is a backup.
    Export {
        /// A new file, readable by its owner alone; stdout if there is none.
        file: Option<PathBuf>,
        /// Which.
        #[command(flatten)]
        look: Look,
        /// What is written of them.
        #[command(flatten)]
        unmask: Unmask,
    },
}

/// What is looked at; by default every dead letter.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(group = ArgGroup::new("choice").multiple(true))]
pub struct Look {
    /// What they have in common.
    #[command(flatten)]
    pub filter: Filter,
    /// Those that were discarded and can still be restored.
    #[arg(long)]
    pub discarded: bool,
}

/// Arguments of `dead-letters replay`.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own at the command line")]
#[derive(Debug, clap::Args)]
pub struct Replay {
    /// Which of them.
    #[command(flatten)]
    pub which: Which,
    /// Say what each would come to, by the real decision in a transaction that is rolled back; send and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Show the personal data in the records of a dry run; who did, and why, is recorded before.
    #[arg(long, requires = "dry_run", requires = "why")]
    pub unmask: bool,
    /// Also what is older than `requests.retention`: a request that was carried out then may be carried out again.
    #[arg(long)]
    pub force: bool,
    /// At most so many letters a second.
    #[arg(long, value_name = "N/s", default_value = USUAL_RATE, value_parser = values::rate)]
    pub rate: u32,
    /// Stop after a step of which more failed.
    #[arg(long, value_name = "PERCENT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub max_failures: u32,
    /// How long the outcomes of a step are waited for. An unknown member is waited for about 40 seconds.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = values::duration)]
    pub wait: Duration,
    /// All at once, without steps and without waiting for what becomes of them.
    #[arg(long)]
    pub at_once: bool,
    /// Why; it is recorded. A dry run needs it for personal data alone.
    #[arg(long, value_name = "TEXT", value_parser = values::why, required_unless_present = "dry_run")]
    pub why: Option<String>,
}

/// Arguments of `dead-letters edit`.
#[derive(Debug, clap::Args)]
pub struct Edit {
    /// Its id, as `list` shows it.
    #[arg(value_parser = which::id)]
    pub id: String,
    /// The new body; without it, $VISUAL or $EDITOR is opened with the body as it is, and that somebody saw it is recorded.
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// Say what it would come to, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before it is sent.
    #[arg(long)]
    pub yes: bool,
    /// Also what is older than `requests.retention`.
    #[arg(long)]
    pub force: bool,
    /// Why; it is recorded. A dry run with `--body` needs none.
    #[arg(long, value_name = "TEXT", value_parser = values::why, required_unless_present_all = ["body", "dry_run"])]
    pub why: Option<String>,
}

/// Arguments of `dead-letters discard`.
#[derive(Debug, clap::Args)]
pub struct Discard {
    /// Which of them.
    #[command(flatten)]
    pub which: Which,
    /// How many they are, in place of being asked; another number than there are discards nothing.
    #[arg(long, value_name = "N")]
    pub yes_discard: Option<u32>,
    /// Why.
    #[command(flatten)]
    pub why: Why,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::USUAL_RATE;
    use crate::cli::{Cli, values};

    const ID: &str = "0123456789abcdef";

    fn parses(options: &str) -> bool {
        Cli::try_parse_from(format!("join-community dead-letters {options}").split_whitespace()).is_ok()
    }

    #[test]
    fn the_usual_rate_is_that_of_the_console() {
        assert_eq!(values::rate(USUAL_RATE), Ok(crate::replay::USUAL_RATE));
    }

    #[test]
    fn nothing_is_unmasked_without_a_reason() {
        let id = ID;
        for command in [&format!("show {id}"), "export", "export file --reason busy", "replay --dry-run --all"] {
            assert!(parses(command) && parses(&format!("{command} --unmask --why ticket")), "{command}");
            assert!(!parses(&format!("{command} --unmask")), "{command}");
        }
        assert!(!parses("replay --all --unmask --why ticket"), "only a dry run shows anything");
        assert!(!parses(&format!("edit {id} --dry-run")) && parses(&format!("edit {id} --dry-run --body file")));
    }

    #[test]
    fn nothing_is_done_without_a_reason() {
        let (edit, again) = (format!("edit {ID}"), format!("edit {ID} --body file --yes"));
        for command in [
            "replay --all",
            "discard --all",
            "restore --all",
            "stop --at http://w",
            "resume --at http://w",
            &edit,
            &again,
        ] {
            assert!(!parses(command) && parses(&format!("{command} --why ticket")), "{command}");
            assert!(!parses(&format!("{command} --why=")), "{command}");
        }
    }
}
