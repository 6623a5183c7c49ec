//! `manual`: a page for each command, as `man` reads them. Made from the command line's own description, so that they
//! say what `--help` says.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime};

use super::{Cli, Context};

const AFTER_HELP: &str = "\
Examples:
  join-community manual --out /usr/local/share/man/man1
  join-community manual --out pages && man pages/join-community-dead-letters-replay.1";

/// Arguments of `manual`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Folder that the pages are written into.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Date that they show, like 2026-11-29; without it, today's.
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub date: Option<Date>,
}

/// Runs the command.
///
/// # Errors
/// If they cannot be written.
#[expect(clippy::unused_async, reason = "all commands are run alike")]
pub async fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let date = args.date.unwrap_or_else(|| OffsetDateTime::now_utc().date());
    let pages = pages(&date.to_string())?;
    let folder = &args.out;
    fs::create_dir_all(folder).with_context(|| format!("{} could not be created", folder.display()))?;
    for (name, page) in &pages {
        let path = folder.join(name);
        fs::write(&path, page).with_context(|| format!("{} could not be written", path.display()))?;
    }
    let names: Vec<&String> = pages.keys().collect();
    context.output.result(&names, |names| format!("{} pages written to {}", names.len(), folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn date(text: &str) -> Result<Date, String> {
    let midnight = OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339);
    midnight.map(OffsetDateTime::date).map_err(|_| "expected a date like 2026-11-29".to_owned())
}

/// Each page under the name of its file.
fn pages(date: &str) -> io::Result<BTreeMap<String, Vec<u8>>> {
    // Its command `help` would bring a page for each command once more.
    let mut whole = Cli::command().disable_help_subcommand(true);
    whole.build();
    let mut pages = BTreeMap::new();
    let mut commands = vec![&whole];
    while let Some(command) = commands.pop() {
        let (name, page) = page(command, date)?;
        pages.insert(name, page);
        commands.extend(command.get_subcommands().filter(|command| !command.is_hide_set()));
    }
    Ok(pages)
}

fn page(command: &Command, date: &str) -> io::Result<(String, Vec<u8>)> {
    let source = concat!("join-community ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).date(date).source(source).manual("Join Community");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if command.get_subcommands().any(|command| !command.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(notes) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        // Line by line: the library would fill paragraphs with examples.
        let mut section = Roff::default();
        section.control("SH", ["NOTES"]);
        section.control("nf", []);
        for line in notes.to_string().lines() {
            section.text([roman(line)]);
        }
        section.control("fi", []);
        section.to_writer(&mut page)?;
    }
    Ok((man.get_filename(), page))
}

#[cfg(test)]
mod tests {
    use super::{date, pages};

    #[test]
    fn every_command_has_a_page_of_its_own_with_its_examples_line_by_line() {
        let pages = pages("2026-11-29").unwrap();
        for name in ["join-community", "join-community-run", "join-community-dead-letters-replay"] {
            let page = String::from_utf8(pages[&format!("{name}.1")].clone()).unwrap();
            let title = format!(".TH {name} 1 2026-11-29 \"join-community {}\"", env!("CARGO_PKG_VERSION"));
            assert!(page.contains(&title), "{page}");
        }
        assert!(!pages.keys().any(|name| name.contains("help")), "{:?}", pages.keys());
        let check = String::from_utf8(pages["join-community-check.1"].clone()).unwrap();
        assert!(check.contains("\n  join\\-community \\-\\-config config/production.toml check\n"), "{check}");
    }

    #[test]
    fn a_date_is_a_day_and_nothing_else() {
        assert_eq!(date("2026-11-29").unwrap().to_string(), "2026-11-29");
        for wrong in ["", "2026-11-31", "29.11.2026", "2026-11-29T00:00:00Z"] {
            assert!(date(wrong).is_err(), "{wrong}");
        }
    }
}
