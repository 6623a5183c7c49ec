//! One connection with its settings and limits. No pool: each user owns a session, so that nobody waits for another.

use std::time::Duration;

use metrics::Counter;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tracing::debug;
use uuid::Uuid;

use super::StoreError;
use super::suspects::STAND_FOR;
use crate::config;

/// What a session is for; decides the planner's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The join path. A plan made anew for each batch would cost up to half of the small ones.
    Lane,
    /// The announcing half.
    Announcer,
    /// Everything else.
    Tool,
}

/// A connection that is opened when it is needed, and thrown away when anything is doubtful about it.
///
/// While a statement runs the connection is *taken out* of the session and put back only when the answer is there. So a
/// dropped future takes its connection along, and nobody can be handed one with a statement or a transaction half done.
pub struct Session {
    options: PgConnectOptions,
    connect_limit: Duration,
    statement_limit: Duration,
    connection: Option<PgConnection>,
    stands_for: Option<Uuid>,
    opened: Counter,
}

impl Session {
    /// Prepares a session; connects with its first use.
    ///
    /// # Errors
    /// If the URL is none of PostgreSQL.
    pub fn new(config: &config::Database, role: Role) -> Result<Self, StoreError> {
        Ok(Self {
            options: options(config, role)?,
            connect_limit: config.connect_timeout,
            // The server ends the statement first; this limit is for a server that does not answer at all.
            statement_limit: config.statement_timeout + Duration::from_secs(1),
            connection: None,
            stands_for: None,
            opened: Counter::noop(),
        })
    }

    /// Lets everybody see that a process lives, for as long as this session is connected, or another that stands for it.
    #[must_use]
    pub fn standing_for(self, process: Uuid) -> Self {
        Self { stands_for: Some(process), ..self }
    }

    /// Counts the connections that it opens.
    #[must_use]
    pub fn counted(self, opened: Counter) -> Self {
        Self { opened, ..self }
    }

    /// Runs one statement or several on the connection, within the limits.
    ///
    /// # Errors
    /// Sorted by reaction. After [`StoreError::Silent`] the outcome is unknown.
    pub async fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let limit = self.statement_limit;
        self.run_within(limit, work).await
    }

    /// Like [`Session::run`], for work that may take longer than one statement of the worker.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn run_within<T>(
        &mut self,
        limit: Duration,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        match tokio::time::timeout(limit, work(&mut connection)).await {
            Ok(Ok(answer)) => {
                self.connection = Some(connection);
                Ok(answer)
            }
            Ok(Err(error)) => {
                let error = StoreError::from(error);
                if !error.is_outage() {
                    self.connection = Some(connection);
                }
                Err(error)
            }
            Err(_) => Err(StoreError::Silent(limit)),
        }
    }

    /// Runs statements in a transaction that is rolled back, whatever comes of them.
    ///
    /// The connection is handed on only once the server says that the transaction has ended; otherwise it is thrown away,
    /// or the next statement of this session would become part of what is rolled back.
    ///
    /// # Errors
    /// As [`Session::run`]. Nothing has taken effect in any case.
    pub async fn rolled_back<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let limit = self.statement_limit * ROLLED_BACK;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let rehearsal = async {
            sqlx::query(BEGIN).execute(&mut connection).await?;
            let done = work(&mut connection).await;
            sqlx::query(ROLL_BACK).execute(&mut connection).await?;
            Ok::<_, sqlx::Error>(done)
        };
        let done = tokio::time::timeout(limit, rehearsal).await.map_err(|_| StoreError::Silent(limit))??;
        self.connection = Some(connection);
        Ok(done?)
    }

    /// Asks whether PostgreSQL serves and takes writes.
    ///
    /// # Errors
    /// If it does not.
    pub async fn probe(&mut self) -> Result<(), StoreError> {
        self.run(async |connection| {
            let read_only: bool = sqlx::query_scalar(PROBE).fetch_one(connection).await?;
            if read_only { Err(sqlx::Error::Protocol("PostgreSQL is read-only".into())) } else { Ok(()) }
        })
        .await
    }

    async fn connect(&self) -> Result<PgConnection, StoreError> {
        let connecting = async {
            let mut connection = PgConnection::connect_with(&self.options).await?;
            if let Some(process) = self.stands_for {
                sqlx::query(STAND_FOR).bind(process).execute(&mut connection).await?;
            }
            Ok::<_, sqlx::Error>(connection)
        };
        let connection = tokio::time::timeout(self.connect_limit, connecting)
            .await
            .map_err(|_| StoreError::Silent(self.connect_limit))??;
        debug!("connected to PostgreSQL");
        self.opened.increment(1);
        Ok(connection)
    }
}

// These two are not listed in `STATEMENTS`: PostgreSQL prepares no statement that begins or ends a transaction.
const BEGIN: &str = "BEGIN";
const ROLL_BACK: &str = "ROLLBACK";

/// Statements that a transaction which is rolled back may take the time of.
const ROLLED_BACK: u32 = 4;

pub(super) const PROBE: &str = "SELECT current_setting('transaction_read_only')::boolean \
     FROM (VALUES (1)) one LEFT JOIN (SELECT event_sequence FROM members LIMIT 0) m ON true";

fn options(config: &config::Database, role: Role) -> Result<PgConnectOptions, sqlx::Error> {
    let millis = |limit: Duration| limit.as_millis().to_string();
    let options = parsed(&config.url)?
        .application_name(match role {
            Role::Lane => "join-community lane",
            Role::Announcer => "join-community announcer",
            Role::Tool => APPLICATION,
        })
        .options([
            ("statement_timeout", millis(config.statement_timeout)),
            ("lock_timeout", millis(config.lock_timeout)),
            ("idle_in_transaction_session_timeout", millis(config.statement_timeout)),
            // Estimates of array statements are inflated, and compiling them costs a thousand times their run time.
            ("jit", "off".into()),
            // Every statement goes by key. A plan made while a table was small, or for the outbox, which is small
            // whenever it is analyzed, would read the whole of it, and do so for as long as the session lives.
            ("enable_seqscan", "off".into()),
            // Nor is any statement worth two processes that are started for it. A generic plan does not know how little it is
            // asked for: 64 records of the audit had two, five times a second.
            ("max_parallel_workers_per_gather", "0".into()),
        ]);
    Ok(match role {
        Role::Lane | Role::Announcer => options.options([("plan_cache_mode", "force_generic_plan")]),
        Role::Tool => options,
    })
}

const APPLICATION: &str = "join-community";

/// The URL read; without statements in the log, since their parameters are personal data.
pub(super) fn parsed(url: &SecretString) -> Result<PgConnectOptions, sqlx::Error> {
    let options: PgConnectOptions = url.expose_secret().parse()?;
    Ok(options.application_name(APPLICATION).disable_statement_logging())
}
