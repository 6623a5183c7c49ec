//! `contract`: what crosses the worker's boundary, as files; and what differs between two of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;

use super::Context;
use super::print::visible;
use crate::contract::{self, Audience, Change, Contract, DOCUMENT, diff};

/// Commands of `contract`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print the contract as an `AsyncAPI` 3 document, or write all its files: document, JSON Schemas, test vectors.
    Export(Export),
    /// Tell what differs between two contracts and whom it breaks; exit code 1 if it breaks anybody.
    Diff(Diff),
}

/// Form of a printed contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// `AsyncAPI` as YAML.
    Yaml,
    /// `AsyncAPI` as JSON.
    Json,
    /// A page for people.
    Html,
}

/// Arguments of `contract export`.
#[derive(Debug, clap::Args)]
pub struct Export {
    /// What is printed.
    #[arg(long, value_enum, default_value_t = Form::Yaml, conflicts_with = "out")]
    pub format: Form,
    /// Write the files of the contract into this folder instead. A contract that is there is replaced only if that breaks
    /// nobody.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace the contract in the folder even if that breaks somebody: before a release, or for a next major version.
    #[arg(long, requires = "out")]
    pub accept_breaking: bool,
}

/// Arguments of `contract diff`.
#[derive(Debug, clap::Args)]
pub struct Diff {
    /// The older contract: a folder written by `contract export --out`, its asyncapi.json, or one of its schemas.
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// The newer one; without it, the contract that this program speaks.
    #[arg(value_name = "NEW")]
    pub new: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
#[expect(clippy::unused_async, reason = "all commands are run alike")]
pub async fn run(command: Command, context: &Context) -> anyhow::Result<ExitCode> {
    match command {
        Command::Export(args) => export(&args, context),
        Command::Diff(args) => compare(&args, context),
    }
}

fn export(args: &Export, context: &Context) -> anyhow::Result<ExitCode> {
    let Some(folder) = &args.out else {
        let text = match args.format {
            Form::Yaml => contract::yaml(),
            Form::Json => contract::json(),
            Form::Html => contract::html(),
        };
        context.output.data(&text)?;
        return Ok(ExitCode::SUCCESS);
    };
    if folder.join(DOCUMENT).exists() && !args.accept_breaking {
        let changes = diff(&read(folder)?, &Contract::spoken());
        let breaking: Vec<Change> = changes.into_iter().filter(|change| change.breaking).collect();
        if !breaking.is_empty() {
            context.output.result(&breaking, |breaking| {
                format!(
                    "{}\nNothing was written: this breaks whoever relies on {}. Undo it, write a next major version into \
                     another folder, or, if nobody has that contract yet, add --accept-breaking.",
                    lines(breaking),
                    folder.display()
                )
            })?;
            return Ok(ExitCode::FAILURE);
        }
    }
    let files = contract::files();
    for (name, text) in &files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("{} could not be created", parent.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("{} could not be written", path.display()))?;
    }
    let names: Vec<&String> = files.keys().collect();
    context.output.result(&names, |names| format!("{} files written to {}", names.len(), folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn compare(args: &Diff, context: &Context) -> anyhow::Result<ExitCode> {
    let old = read(&args.old)?;
    let new = args.new.as_deref().map_or_else(|| Ok(Contract::spoken()), read)?;
    let changes = diff(&old, &new);
    let breaks = changes.iter().any(|change| change.breaking);
    context.output.result(&changes, |changes| format!("{}{}", lines(changes), summary(changes)))?;
    Ok(if breaks { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn read(path: &Path) -> anyhow::Result<Contract> {
    let file = if path.is_dir() { path.join(DOCUMENT) } else { path.to_owned() };
    let text = fs::read_to_string(&file).with_context(|| format!("{} could not be read", file.display()))?;
    Contract::parse(&text).with_context(|| file.display().to_string())
}

/// One line a change. What stands in a file may be a stranger's.
fn lines(changes: &[Change]) -> String {
    let mut lines = String::new();
    for change in changes {
        lines.push_str(&visible(&change.to_string()));
        lines.push('\n');
    }
    lines
}

fn summary(changes: &[Change]) -> String {
    let count = |audience| changes.iter().filter(|change| change.breaking && change.audience == audience).count();
    match (changes.len(), count(Audience::Producers), count(Audience::Consumers)) {
        (0, ..) => "The contracts are the same.".to_owned(),
        (all, 0, 0) => format!("{all} changes, all compatible."),
        (all, producers, consumers) => {
            format!("{all} changes: {producers} break producers, {consumers} break consumers.")
        }
    }
}
