//! `members import`: a file into the record, batch by batch, each line for itself.

use std::collections::HashSet;
use std::fmt::{self, Display, Formatter};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use time::OffsetDateTime;

use super::lines::{self, Line, Lines, Source};
use crate::cli::Context;
use crate::cli::print::{Output, visible};
use crate::cli::record::{Deed, Why};
use crate::domain::{MemberId, SiteId, to_millis};
use crate::postgres::{Role, Session, StoreError, Taken};
use crate::rabbitmq::dead_letters::without_personal_data;
use crate::retry::Pauses;
use crate::telemetry::chain;
use crate::wire::member::{Imported, parse};

/// Members in one statement.
const BATCH: usize = 500;
/// A batch is complete with this many bytes, too: members may have 256 KiB each.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Tries of a batch whose records others hold, each as long as `database.lock_timeout`.
const TRIES: u32 = 10;

/// What the import came to, in lines.
#[derive(Debug, Default, Serialize)]
struct Tally {
    new: u64,
    changed: u64,
    unchanged: u64,
    refused: u64,
}

impl Display for Tally {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { new, changed, unchanged, refused } = self;
        write!(f, "{new} new, {changed} changed, {unchanged} unchanged, {refused} refused")
    }
}

/// An import at work.
struct Import<'a> {
    site: SiteId,
    store: Session,
    file: String,
    output: &'a Output,
    bar: ProgressBar,
    batch: Vec<(u64, Imported)>,
    ids: HashSet<MemberId>,
    bytes: usize,
    tally: Tally,
}

/// Imports a file.
pub(super) async fn run(site: SiteId, path: &Path, why: &Why, context: &Context) -> anyhow::Result<ExitCode> {
    let (mut lines, length) = lines::open(path)?;
    let is_stdin = path == Path::new("-");
    let mut import = Import {
        site,
        store: Session::new(&context.config.database, Role::Tool)?,
        file: if is_stdin { "stdin".to_owned() } else { visible(&path.to_string_lossy()).into_owned() },
        output: &context.output,
        bar: bar(length),
        batch: Vec::with_capacity(BATCH),
        ids: HashSet::with_capacity(BATCH),
        bytes: 0,
        tally: Tally::default(),
    };
    let target = format!("{site} from {}", import.file);
    let deed = Deed { action: "members.import", target: &target, why: &why.why };
    deed.begins("ordered", context).await?;
    let done = import.all(&mut lines).await;
    import.bar.finish_and_clear();
    let tally = import.tally;
    deed.came_to(&tally.to_string(), &done, context).await;
    done?;
    context.output.result(&tally, |tally| format!("Imported: {tally}."))?;
    Ok(if tally.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Shown on a terminal alone, and on stderr.
fn bar(length: Option<u64>) -> ProgressBar {
    let (bar, template) = match length {
        Some(length) => (ProgressBar::new(length), "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes}, {bytes_per_sec}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

impl Import<'_> {
    async fn all(&mut self, lines: &mut Lines<Source>) -> anyhow::Result<()> {
        while let Some(line) = lines.next_line().with_context(|| format!("{} cannot be read", self.file))? {
            self.take(lines.number(), &line).await?;
            self.bar.set_position(lines.position());
        }
        self.flush().await
    }

    async fn take(&mut self, number: u64, line: &Line) -> anyhow::Result<()> {
        let member = match line {
            Line::Whole(bytes) if bytes.is_empty() => return Ok(()),
            Line::Whole(bytes) => parse(bytes).map(|member| (member, bytes.len())).map_err(|error| error.to_string()),
            Line::TooLong => Err("the line is longer than any member can be".to_owned()),
        };
        match member {
            Err(reason) => self.refuse(number, &reason),
            Ok((member, size)) => {
                // The same member again: what came first must be in the record first.
                if self.ids.contains(&member.id) || self.batch.len() == BATCH || self.bytes + size > BATCH_BYTES {
                    self.flush().await?;
                }
                self.ids.insert(member.id);
                self.bytes += size;
                self.batch.push((number, member));
            }
        }
        Ok(())
    }

    /// Names the line. Its place may hold a key of somebody's making: an address, say.
    fn refuse(&mut self, number: u64, reason: &str) {
        self.tally.refused += 1;
        let reason = without_personal_data(reason);
        self.bar.suspend(|| self.output.note(&format_args!("{}:{number}: {}", self.file, visible(&reason))));
    }

    /// Writes the batch. What the database refuses is halved until the line that is at fault stands alone.
    async fn flush(&mut self) -> anyhow::Result<()> {
        let batch = std::mem::take(&mut self.batch);
        self.ids.clear();
        self.bytes = 0;
        let mut parts = vec![batch.as_slice()];
        while let Some(part) = parts.pop() {
            match (self.write(part).await, part) {
                (Ok(taken), _) => {
                    self.tally.new += taken.new;
                    self.tally.changed += taken.changed;
                    self.tally.unchanged += taken.unchanged;
                }
                (Err(StoreError::Permanent(error)), [(number, _)]) => self.refuse(*number, &chain(&error)),
                (Err(StoreError::Permanent(_)), _) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                (Err(error), _) => {
                    let from = part.first().map_or(0, |(number, _)| *number);
                    return Err(error).with_context(|| {
                        format!(
                            "{}: stopped at line {from}; what stands before it is imported, and importing the file again does \
                             the rest",
                            self.file
                        )
                    });
                }
            }
        }
        Ok(())
    }

    async fn write(&mut self, part: &[(u64, Imported)]) -> Result<Taken, StoreError> {
        if part.is_empty() {
            return Ok(Taken::default());
        }
        let members: Vec<&Imported> = part.iter().map(|(_, member)| member).collect();
        let mut pauses = Pauses::up_to(Duration::from_secs(1));
        let mut tries = 1;
        loop {
            let written = self.store.import(self.site, &members, to_millis(OffsetDateTime::now_utc())).await;
            match written {
                Err(StoreError::Contention(_)) if tries < TRIES => tokio::time::sleep(pauses.next_pause()).await,
                written => return written,
            }
            tries += 1;
        }
    }
}
