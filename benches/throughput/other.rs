//! Another build of the worker, or the same one with other settings or another database: a series beside the worker, for
//! experiments. Apart from the series themselves, because this one is made by the command line.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
#[expect(clippy::disallowed_types, reason = "the statements are those of whoever runs the bench")]
use sqlx::AssertSqlSafe;
use sqlx::{Connection as _, Executor as _};
use tokio::fs;
use tokio::time::timeout;

use crate::ground::{Ground, Size};
use crate::place::forget_settings;
use crate::series::worker_command;
use crate::suite::support::empty_database;
use crate::superuser::superuser;

/// How long its migration may take, on an empty database.
const LIMIT: Duration = Duration::from_mins(1);
/// What stands for the name of its database, as in `psql`: that is another one each time.
const DATABASE: &str = ":\"DBNAME\"";

/// What is other.
#[derive(Debug, Args)]
pub(crate) struct Other {
    /// Adds a series `other` to throughput and latency: this binary, on a database that it has migrated itself; without this,
    /// the worker's own
    #[arg(long = "other", value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Sets a variable for `other`, as `JOIN_COMMUNITY__JOIN__LANES=2`; may be given several times
    #[arg(long = "other-env", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Runs these statements in the database of `other`, as superuser, before members are filled in; `:"DBNAME"` is its name
    #[arg(long = "other-sql", value_name = "FILE")]
    sql: Option<PathBuf>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let pair = pair.map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or_else(|| "a variable is given as NAME=VALUE".to_owned())
}

impl Other {
    /// Whether it was asked for.
    pub(crate) fn is_given(&self) -> bool {
        self.binary.is_some() || !self.settings.is_empty() || self.sql.is_some()
    }

    /// Lays its ground: as the worker's, but for the tables, which its own binary makes.
    pub(crate) async fn lay(&self, worker: &Path, size: Size) -> Result<Ground> {
        let database = empty_database().await;
        self.migrate(worker, &database.url()).await?;
        self.change(&database.url()).await?;
        Ground::lay_on(database, size).await
    }

    /// The command that does the work.
    pub(crate) fn command(&self, worker: &Path, ground: &Ground) -> Command {
        let mut command = worker_command(self.binary(worker), ground);
        command.envs(self.settings.iter().cloned());
        command
    }

    /// What it is, in a line below a table; nothing if it was not asked for.
    pub(crate) fn told(&self, worker: &Path) -> String {
        if !self.is_given() {
            return String::new();
        }
        let mut parts = vec![self.binary(worker).display().to_string()];
        parts.extend(self.settings.iter().map(|(name, value)| format!("{name}={value}")));
        parts.extend(self.sql.iter().map(|file| format!("after {}", file.display())));
        format!("Series other: {}.\n", parts.join(", "))
    }

    fn binary<'a>(&'a self, worker: &'a Path) -> &'a Path {
        self.binary.as_deref().unwrap_or(worker)
    }

    async fn migrate(&self, worker: &Path, database_url: &str) -> Result<()> {
        let binary = self.binary(worker);
        let mut command = Command::new(binary);
        forget_settings(&mut command);
        command.arg("migrate").stdin(Stdio::null());
        command.envs(self.settings.iter().cloned()).env("JOIN_COMMUNITY__DATABASE__URL", database_url);
        let mut command = tokio::process::Command::from(command);
        let ran = timeout(LIMIT, command.kill_on_drop(true).output()).await;
        let ran = ran.with_context(|| format!("{} migrate did not end within {LIMIT:?}", binary.display()))?;
        let ran = ran.with_context(|| format!("{} cannot be started", binary.display()))?;
        let said = String::from_utf8_lossy(&ran.stderr);
        ensure!(ran.status.success(), "{} migrate: {}: {}", binary.display(), ran.status, said.trim());
        Ok(())
    }

    /// Runs the statements. As superuser, who alone may set much of what decides how much log is written.
    async fn change(&self, database_url: &str) -> Result<()> {
        let Some(file) = &self.sql else { return Ok(()) };
        let statements = fs::read_to_string(file).await.with_context(|| file.display().to_string())?;
        let mut database = superuser(database_url).await?;
        let name: String =
            sqlx::query_scalar("SELECT quote_ident(current_database())").fetch_one(&mut database).await?;
        let statements = AssertSqlSafe(statements.replace(DATABASE, &name));
        database.execute(statements).await.with_context(|| file.display().to_string())?;
        database.close().await?;
        Ok(())
    }
}
