//! The sites and members of the demo: new ones at each run, so that it can be run again and again.

use anyhow::{Context as _, anyhow};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::config;
use crate::domain::{Gate, MemberId, SiteId, to_millis};
use crate::postgres::{Role, Session};
use crate::wire::member::{self, Imported};

const SAMPLES: &str = include_str!("members.ndjson");

/// Who takes part.
pub(super) struct Cast {
    /// A site whose members may be public.
    pub(super) open: SiteId,
    /// A site whose members may not.
    pub(super) closed: SiteId,
    /// Approved and private.
    pub(super) john: MemberId,
    /// Approved and private.
    pub(super) claude: MemberId,
    /// Blocked.
    pub(super) blocked: MemberId,
    /// Approved and private, but of the closed site.
    pub(super) shut_out: MemberId,
    /// Known to nobody.
    pub(super) stranger: MemberId,
    /// An app.
    pub(super) app: Uuid,
    imported: Vec<Imported>,
}

impl Cast {
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut imported = SAMPLES
            .lines()
            .map(|line| member::parse(line.as_bytes()).map_err(|invalid| anyhow!("a sample member: {invalid}")))
            .collect::<anyhow::Result<Vec<_>>>()?;
        for member in &mut imported {
            member.id = MemberId(Uuid::new_v4());
        }
        let id = |place: usize| imported.get(place).map(|member| member.id).context("too few sample members");
        let (john, claude, blocked) = (id(0)?, id(1)?, id(2)?);
        let new = || MemberId(Uuid::new_v4());
        let (open, closed) = (SiteId(Uuid::new_v4()), SiteId(Uuid::new_v4()));
        Ok(Self {
            open,
            closed,
            john,
            claude,
            blocked,
            shut_out: new(),
            stranger: new(),
            app: Uuid::new_v4(),
            imported,
        })
    }

    /// Takes the members into the record, and closes the closed site.
    pub(super) async fn enter(&self, database: &config::Database) -> anyhow::Result<usize> {
        let mut store = Session::new(database, Role::Tool)?;
        let now = to_millis(OffsetDateTime::now_utc());
        store.import(self.open, &self.imported.iter().collect::<Vec<_>>(), now).await?;
        let mut neighbour = self.imported.first().context("too few sample members")?.clone();
        neighbour.id = self.shut_out;
        store.import(self.closed, &[&neighbour], now).await?;
        store.set_gate(self.closed, Gate::NoOne).await?;
        Ok(self.imported.len() + 1)
    }

    /// Gives Claude another nickname, by an import: a change that no request made.
    pub(super) async fn rename_claude(&self, store: &mut Session) -> anyhow::Result<()> {
        let line =
            SAMPLES.lines().nth(1).context("too few sample members")?.replace("\"Claude Morales\"", "\"Claude M.\"");
        let mut renamed = member::parse(line.as_bytes()).map_err(|invalid| anyhow!("a sample member: {invalid}"))?;
        renamed.id = self.claude;
        renamed.privacy_status = Some(crate::domain::PrivacyStatus::Public);
        store.import(self.open, &[&renamed], to_millis(OffsetDateTime::now_utc())).await?;
        Ok(())
    }
}
