//! The schema up to date. Apart from [`Session`], because it may take long and its errors are told to a
//! person, who has to do something about them.

use std::collections::HashMap;
use std::time::Duration;

use secrecy::SecretString;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};
use tokio::time::timeout;

use super::failure::remedy;
use super::{Session, StoreError, session};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Oldest PostgreSQL that the statements of the worker run on, as `server_version_num` spells it.
pub(super) const OLDEST_SERVER: i32 = 150_000;
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Another migration may be at work: this long it is waited for.
const TURN_LIMIT: Duration = Duration::from_mins(1);
/// A change of the schema waits this long for the tables; while it waits, everybody else waits behind it.
const LOCK_LIMIT: Duration = Duration::from_secs(5);
const STATEMENT_LIMIT: Duration = Duration::from_mins(10);
const LIMIT: Duration = Duration::from_mins(15);
/// Any number, as long as it stays the same: who holds it is migrating.
const TURN: i64 = 0x6a6f_696e_5f63_6f6d;

/// A step that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its number; steps are applied in this order.
    pub version: i64,
    /// What it is about.
    pub description: String,
}

/// Why the schema was not brought up to date. Nothing is half done: each step is one transaction.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// No connection.
    #[error("PostgreSQL cannot be reached{}", remedy(.0))]
    Unreachable(#[source] sqlx::Error),
    /// No answer.
    #[error("PostgreSQL did not answer within {0:?}")]
    Silent(Duration),
    /// The server is too old.
    #[error("PostgreSQL {0} is too old: version 15 or newer is needed")]
    ServerTooOld(String),
    /// The database was migrated by a newer program.
    #[error(
        "the database is at schema version {found}, this program knows versions up to {known}: it is older than the \
         program that migrated the database; use that one, or a newer"
    )]
    SchemaTooNew {
        /// Newest version in the database.
        found: i64,
        /// Newest version of this program.
        known: i64,
    },
    /// A step in the database is not what this program knows under its number.
    #[error("migration {0} in the database differs from the one of this program: they belong to different builds")]
    Changed(i64),
    /// Another migration is at work and does not end.
    #[error("another migration is at work and did not end within {TURN_LIMIT:?}")]
    NotOurTurn(#[source] sqlx::Error),
    /// A step failed.
    #[error("migration {version} failed and was rolled back")]
    Step {
        /// The step.
        version: i64,
        /// What the server says.
        #[source]
        source: sqlx::Error,
    },
    /// Anything else.
    #[error("the schema could not be read or changed")]
    Other(#[source] MigrateError),
}

/// Brings the schema up to date, and tells which steps that took; none, if it was so already.
///
/// Two at a time wait for each other. A role that may not change the schema can call this as long as there is nothing to do.
///
/// # Errors
/// If the schema is not known to be up to date afterwards.
pub async fn migrate(url: &SecretString) -> Result<Vec<Applied>, MigrationError> {
    let mut connection = connect(url).await?;
    let done = timeout(LIMIT, bring_up_to_date(&mut connection)).await;
    // Not closed politely: nothing is in progress, and a server that is gone would be waited for.
    drop(connection);
    done.map_err(|_| MigrationError::Silent(LIMIT))?
}

async fn bring_up_to_date(connection: &mut PgConnection) -> Result<Vec<Applied>, MigrationError> {
    check_server(connection).await?;
    if pending(connection).await?.is_empty() {
        return Ok(Vec::new());
    }
    set_lock_limit(connection, TURN_LIMIT).await?;
    sqlx::query(TAKE_TURN).bind(TURN).execute(&mut *connection).await.map_err(MigrationError::NotOurTurn)?;
    set_lock_limit(connection, LOCK_LIMIT).await?;
    // Again: whoever had the turn before may have done it all.
    let pending = pending(connection).await?;
    if !pending.is_empty() {
        MIGRATIONS.run_direct(None, connection, false).await.map_err(sorted)?;
    }
    Ok(pending)
}

async fn connect(url: &SecretString) -> Result<PgConnection, MigrationError> {
    let options = session::parsed(url)
        .map_err(MigrationError::Unreachable)?
        .options([("statement_timeout", STATEMENT_LIMIT.as_millis().to_string())]);
    timeout(CONNECT_LIMIT, PgConnection::connect_with(&options))
        .await
        .map_err(|_| MigrationError::Silent(CONNECT_LIMIT))?
        .map_err(MigrationError::Unreachable)
}

async fn check_server(connection: &mut PgConnection) -> Result<(), MigrationError> {
    let row = sqlx::query(SERVER_VERSION).fetch_one(connection).await.map_err(other)?;
    let number: i32 = row.try_get(0).map_err(other)?;
    let text: String = row.try_get(1).map_err(other)?;
    if number < OLDEST_SERVER { Err(MigrationError::ServerTooOld(text)) } else { Ok(()) }
}

async fn set_lock_limit(connection: &mut PgConnection, limit: Duration) -> Result<(), MigrationError> {
    sqlx::query(SET_LOCK_LIMIT).bind(limit.as_millis().to_string()).execute(connection).await.map_err(other)?;
    Ok(())
}

/// What is still to be applied; an error if the database is not one that this program continues.
pub(super) async fn pending(connection: &mut PgConnection) -> Result<Vec<Applied>, MigrationError> {
    let exists: bool = sqlx::query_scalar(HAS_HISTORY).fetch_one(&mut *connection).await.map_err(other)?;
    let mut found: HashMap<i64, Vec<u8>> = HashMap::new();
    if exists {
        found.extend(sqlx::query_as::<_, (i64, Vec<u8>)>(HISTORY).fetch_all(connection).await.map_err(other)?);
    }
    if let Some(&newest) = found.keys().max().filter(|newest| **newest > newest_known()) {
        return Err(MigrationError::SchemaTooNew { found: newest, known: newest_known() });
    }
    let mut pending = Vec::new();
    for step in MIGRATIONS.iter() {
        match found.get(&step.version) {
            Some(checksum) if **checksum == *step.checksum => {}
            Some(_) => return Err(MigrationError::Changed(step.version)),
            None => pending.push(Applied { version: step.version, description: step.description.to_string() }),
        }
    }
    Ok(pending)
}

impl Session {
    /// Asks whether the schema is as new as this program needs it: a worker that was started before `migrate` waits for it.
    /// A newer one is fine, for workers of two versions run side by side (docs/decisions/0023-expand-then-contract.md).
    ///
    /// # Errors
    /// If it is older, or PostgreSQL does not answer.
    pub async fn schema_suffices(&mut self) -> Result<(), StoreError> {
        self.run(async |connection| {
            let (found, may_forget): (i64, bool) = sqlx::query_as(NEWEST_APPLIED).fetch_one(connection).await?;
            let known = newest_known();
            if found >= known && may_forget {
                return Ok(());
            }
            let told = if found < known {
                format!("the schema is at version {found} and this program needs {known}: run `migrate`")
            } else {
                // What cannot be forgotten would be announced again and again.
                "this role may not write table announcements: GRANT SELECT, INSERT, DELETE on it".to_owned()
            };
            Err(sqlx::Error::Protocol(told))
        })
        .await
    }
}

/// Newest version of this program.
pub(super) fn newest_known() -> i64 {
    MIGRATIONS.iter().map(|step| step.version).max().unwrap_or_default()
}

fn other(error: sqlx::Error) -> MigrationError {
    MigrationError::Other(MigrateError::Execute(error))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "an enum of sqlx, which may grow; the rest is told as it is")]
fn sorted(error: MigrateError) -> MigrationError {
    match error {
        MigrateError::VersionMismatch(version) => MigrationError::Changed(version),
        MigrateError::VersionMissing(found) => MigrationError::SchemaTooNew { found, known: newest_known() },
        MigrateError::ExecuteMigration(source, version) => MigrationError::Step { version, source },
        error => MigrationError::Other(error),
    }
}

pub(super) const SERVER_VERSION: &str =
    "SELECT current_setting('server_version_num')::integer, current_setting('server_version')";
pub(super) const SET_LOCK_LIMIT: &str = "SELECT set_config('lock_timeout', $1, false)";
pub(super) const TAKE_TURN: &str = "SELECT pg_advisory_lock($1)";
pub(super) const HAS_HISTORY: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
pub(super) const HISTORY: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";
pub(super) const NEWEST_APPLIED: &str = "
    SELECT coalesce(max(version), 0), coalesce(has_table_privilege(to_regclass('announcements'), 'INSERT'), false)
    FROM _sqlx_migrations WHERE success";
