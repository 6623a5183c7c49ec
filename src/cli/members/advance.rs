//! `members advance`: sequences above everything that the world may have seen before a restore.

use std::process::ExitCode;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use uuid::Uuid;

use crate::cli::Context;
use crate::domain::{MemberId, SiteId};
use crate::postgres::{Role, Session, StoreError};

/// What was done.
#[derive(Serialize)]
struct Report {
    sites: u64,
    members: u64,
}

/// Advances the members of one site, or of all.
pub(super) async fn run(by: u32, site: Option<SiteId>, announce: bool, context: &Context) -> anyhow::Result<ExitCode> {
    let bar = ProgressBar::new_spinner();
    let bar = match ProgressStyle::with_template("{spinner} {human_pos} members, {per_sec}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    let mut advance =
        Advance { store: Session::new(&context.config.database, Role::Tool)?, by, announce, bar, members: 0 };
    let stopped = |site: SiteId| format!("stopped at site {site}; run it again, twice raised does no harm");
    let mut sites = 0;
    let mut next = match site {
        Some(site) => Some(site),
        None => advance.store.next_site(SiteId(Uuid::nil())).await?,
    };
    while let Some(current) = next {
        advance.site(current).await.with_context(|| stopped(current))?;
        sites += 1;
        next = match current.0.as_u128().checked_add(1) {
            Some(after) if site.is_none() => advance.store.next_site(SiteId(Uuid::from_u128(after))).await?,
            _ => None,
        };
    }
    advance.bar.finish_and_clear();
    let report = Report { sites, members: advance.members };
    context.output.result(&report, |report| {
        let announced = if announce { "; all of them are announced" } else { "" };
        format!("Raised the sequences of {} members of {} sites by {by}{announced}.", report.members, report.sites)
    })?;
    Ok(ExitCode::SUCCESS)
}

struct Advance {
    store: Session,
    by: u32,
    announce: bool,
    bar: ProgressBar,
    members: u64,
}

impl Advance {
    async fn site(&mut self, site: SiteId) -> Result<(), StoreError> {
        let mut from = Some(MemberId(Uuid::nil()));
        while let Some(first) = from {
            let advanced = self.store.advance(site, first, self.by, self.announce).await?;
            self.members += advanced.members;
            self.bar.set_position(self.members);
            from = advanced.next;
        }
        Ok(())
    }
}
