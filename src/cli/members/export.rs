//! `members export`: the record of a site as NDJSON, page by page.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use uuid::Uuid;

use crate::cli::Context;
use crate::cli::print::Output;
use crate::domain::{MemberId, SiteId};
use crate::postgres::{Role, Session};
use crate::wire::member;

const PAGE: u32 = 500;

/// Where the lines go.
enum Target {
    Stdout(Output),
    /// Beside its place, until it is complete.
    File {
        file: File,
        partial: PathBuf,
    },
}

/// Exports a site.
pub(super) async fn run(site: SiteId, path: Option<&Path>, context: &Context) -> anyhow::Result<ExitCode> {
    let mut store = Session::new(&context.config.database, Role::Tool)?;
    let mut target = path.map_or(Ok(Target::Stdout(context.output)), Target::beside)?;
    let mut from = Some(MemberId(Uuid::nil()));
    let mut written = 0;
    while let Some(first) = from {
        let page = store.page(site, first, PAGE).await?;
        let mut lines = Vec::with_capacity(page.len() * 1024);
        for member in &page {
            member::write(member, &mut lines);
            lines.push(b'\n');
        }
        target.write(&lines)?;
        written += page.len();
        let last = page.get(PAGE as usize - 1).map(|last| last.id.0.as_u128());
        from = last.and_then(|last| last.checked_add(1)).map(|next| MemberId(Uuid::from_u128(next)));
    }
    if let Some(path) = path {
        target.complete(path)?;
        context.output.note(&format_args!("{written} members of site {site} are in {}.", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

impl Target {
    fn beside(path: &Path) -> anyhow::Result<Self> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        // Readable by its owner alone: these are people's addresses.
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial);
        let file = file.with_context(|| format!("{} cannot be written", partial.display()))?;
        Ok(Self::File { file, partial })
    }

    fn write(&mut self, lines: &[u8]) -> anyhow::Result<()> {
        match self {
            Self::Stdout(output) => output.data(std::str::from_utf8(lines)?),
            Self::File { file, partial } => {
                file.write_all(lines).with_context(|| format!("{} cannot be written", partial.display()))
            }
        }
    }

    fn complete(self, path: &Path) -> anyhow::Result<()> {
        match self {
            Self::Stdout(_) => Ok(()),
            Self::File { file, partial } => file
                .sync_all()
                .and_then(|()| std::fs::rename(&partial, path))
                .with_context(|| format!("{} cannot be written", path.display())),
        }
    }
}
