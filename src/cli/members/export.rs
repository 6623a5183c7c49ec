//! `members export`: the record of a site as NDJSON, page by page, personal data masked; or with it, once it is on record who
//! takes it, and why.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use uuid::Uuid;

use super::append;
use crate::cli::Context;
use crate::cli::print::Output;
use crate::cli::record::{Deed, Unmask, said};
use crate::domain::{MemberId, SiteId};
use crate::postgres::{Role, Session};

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
pub(super) async fn run(
    site: SiteId,
    path: Option<&Path>,
    unmask: &Unmask,
    context: &Context,
) -> anyhow::Result<ExitCode> {
    const ACTION: &str = "members.export_unmasked";
    if let Some(path) = path {
        ensure!(
            unmask.unmask || !path.exists(),
            "{} is there, and what is masked is no backup: name another file, or give --unmask and --why",
            path.display()
        );
    }
    let place = path.map_or_else(|| "stdout".to_owned(), |path| path.display().to_string());
    let target = format!("{site} to {place}");
    unmask.recorded(ACTION, &target, "ordered", context).await?;
    let mut count = 0;
    let done = all(site, path, unmask, &mut count, context).await;
    if unmask.unmask {
        let deed = Deed { action: ACTION, target: &target, why: said(unmask.why.as_deref())? };
        deed.came_to(&format!("exported {count}"), &done, context).await;
    }
    done?;
    if path.is_some() || !unmask.unmask {
        let masked = if unmask.unmask { "" } else { ", masked: no backup" };
        context.output.note(&format_args!("{count} members of site {site} are in {place}{masked}."));
    }
    Ok(ExitCode::SUCCESS)
}

async fn all(
    site: SiteId,
    path: Option<&Path>,
    unmask: &Unmask,
    count: &mut usize,
    context: &Context,
) -> anyhow::Result<()> {
    let mut store = Session::new(&context.config.database, Role::Tool)?;
    let mut target = path.map_or(Ok(Target::Stdout(context.output)), Target::beside)?;
    let mut from = Some(MemberId(Uuid::nil()));
    while let Some(first) = from {
        let page = store.page(site, first, PAGE).await?;
        let mut lines = Vec::with_capacity(page.len() * 1024);
        for member in &page {
            append(member, unmask, &mut lines)?;
            lines.push(b'\n');
        }
        target.write(&lines)?;
        *count += page.len();
        let last = page.get(PAGE as usize - 1).map(|last| last.id.0.as_u128());
        from = last.and_then(|last| last.checked_add(1)).map(|next| MemberId(Uuid::from_u128(next)));
    }
    path.map_or(Ok(()), |path| target.complete(path))
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
