//! The command line of the fault matrix.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Breaks everything that can break around a working installation, and proves after each fault that nothing was lost and
/// nothing took effect twice.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
#[command(name = "faults")]
pub(crate) struct Cli {
    /// What to do; without it the faults are made.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Only faults whose name holds one of these words.
    pub(crate) names: Vec<String>,

    /// The whole matrix, which takes hours; without it every kind of fault is made once, in minutes.
    #[arg(long)]
    pub(crate) whole: bool,

    /// Where chance begins; the same seed makes the same load and the same faults.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,

    /// Goes on with an earlier run of the same binary that was stopped: what was kept then is not tried again.
    #[arg(long)]
    pub(crate) resume: bool,

    /// Writes the table into this document, between its marks.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// Which table of the document it is: that between the marks of this name.
    #[arg(long, value_name = "NAME", default_value = "faults")]
    pub(crate) table: String,

    /// Another binary to try, built with the feature `fail-points`.
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_join-community"))]
    pub(crate) program: PathBuf,

    /// Names the faults and ends.
    #[arg(long)]
    pub(crate) list: bool,

    /// What other test programs are told by the same command line.
    #[arg(long, hide = true, alias = "show-output")]
    pub(crate) nocapture: bool,
}

/// Other things to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks the traces of a broken trial again: what it left in its folder.
    Check {
        /// The folder.
        folder: PathBuf,
    },
    /// Upgrades an installation under load: from workers of an earlier build to those of `--program`.
    Upgrade {
        /// The earlier build.
        old: PathBuf,
    },
    /// Builds the worker wrong in known ways, and fails unless the checker notices each.
    Mutants {
        /// Only those whose name holds one of these words.
        names: Vec<String>,
    },
}
