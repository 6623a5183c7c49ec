//! `members advance`: sequences above everything that the world may have seen before a restore.

use std::process::ExitCode;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use uuid::Uuid;

use crate::cli::Context;
use crate::cli::record::{Deed, Why};
use crate::domain::{MemberId, SiteId};
use crate::postgres::{Role, Session, StoreError};

/// What was done.
#[derive(Serialize)]
struct Report {
    sites: u64,
    members: u64,
}

/// By how much, whose, and whether they are announced.
pub(super) struct Order {
    pub(super) by: u32,
    pub(super) site: Option<SiteId>,
    pub(super) announce: bool,
}

/// Advances the members of one site, or of all.
pub(super) async fn run(order: Order, why: &Why, context: &Context) -> anyhow::Result<ExitCode> {
    let Order { by, site, announce } = order;
    let whose = site.map_or_else(|| "all sites".to_owned(), |site| site.to_string());
    let target = format!("{whose}, by {by}{}", if announce { ", announced" } else { "" });
    let deed = Deed { action: "members.advance", target: &target, why: &why.why };
    deed.begins("ordered", context).await?;
    let bar = ProgressBar::new_spinner();
    let bar = match ProgressStyle::with_template("{spinner} {human_pos} members, {per_sec}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    let mut advance =
        Advance { store: Session::new(&context.config.database, Role::Tool)?, by, announce, bar, members: 0, done: 0 };
    let done = advance.sites(site).await;
    advance.bar.finish_and_clear();
    let report = Report { sites: advance.done, members: advance.members };
    deed.came_to(&format!("raised {} members of {} sites", report.members, report.sites), &done, context).await;
    done?;
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
    /// Sites.
    done: u64,
}

impl Advance {
    async fn sites(&mut self, only: Option<SiteId>) -> anyhow::Result<()> {
        let stopped = |site: SiteId| format!("stopped at site {site}; run it again, twice raised does no harm");
        let mut next = match only {
            Some(site) => Some(site),
            None => self.store.next_site(SiteId(Uuid::nil())).await?,
        };
        while let Some(current) = next {
            self.site(current).await.with_context(|| stopped(current))?;
            self.done += 1;
            next = match current.0.as_u128().checked_add(1) {
                Some(after) if only.is_none() => self.store.next_site(SiteId(Uuid::from_u128(after))).await?,
                _ => None,
            };
        }
        Ok(())
    }

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
