//! What PostgreSQL counts: statements of the worker's sessions, log written ahead, and what became of rows.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use join_community::postgres;
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::parse::statement;
use super::{code, each, figure, row, table};
use crate::figures::count;
use crate::ground::Ground;
use crate::superuser::superuser;

/// For sessions that begin later, so of what the bench itself asks nothing is counted.
const COUNT_STATEMENTS: &str = "DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET pg_stat_statements.track = top', current_database());
END $$";
const STATEMENTS: &str = "
    SELECT coalesce(query, ''), calls, rows, total_exec_time, wal_bytes::int8, wal_fpi FROM pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY total_exec_time DESC LIMIT 100";
const WAL: &str = "SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::int8";
/// Sessions count for their tables at the latest when they end.
const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'join-community%'";
/// Without those members that the table was filled with.
const TABLES: &str = "
    SELECT relname::text, greatest(n_tup_ins - CASE relname WHEN 'members' THEN $1::int8 ELSE 0 END, 0),
           n_tup_upd, n_tup_hot_upd, n_tup_del, n_dead_tup, autovacuum_count,
           (SELECT count(*) FROM pg_index i WHERE i.indrelid = t.relid)
    FROM pg_stat_user_tables t WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 ORDER BY relname";
/// How long it may take until the sessions of a worker that has ended are gone.
const LIMIT: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(10);
/// How many statements are shown.
const SHOWN: usize = 10;

/// Text, calls, rows, milliseconds, bytes of log, full pages in it.
type Statement = (String, i64, i64, f64, i64, i64);
/// Name, inserts, updates, of these HOT, deletes, dead rows, times that it was vacuumed, indexes.
type Table = (String, i64, i64, i64, i64, i64, i64, i64);

/// A database that is watched.
pub(super) struct Database {
    connection: PgConnection,
    /// Why statements are not counted.
    uncounted: Option<String>,
    wal: i64,
}

/// What was written, and by which statements.
pub(super) struct Written {
    wal: u64,
    statements: Result<Vec<Statement>, String>,
}

impl Database {
    /// Begins before the worker does: then its sessions are counted, and they alone.
    pub(super) async fn watch(ground: &Ground) -> Result<Self> {
        let url = &ground.place.database_url;
        let (mut connection, uncounted) = match counting(url).await {
            Ok(connection) => (connection, None),
            Err(error) => (PgConnection::connect(url).await?, Some(format!("{error:#}"))),
        };
        let wal: i64 = sqlx::query_scalar(WAL).fetch_one(&mut connection).await?;
        Ok(Self { connection, uncounted, wal })
    }

    /// What there is up to now.
    pub(super) async fn read(&mut self) -> Result<Written> {
        let wal: i64 = sqlx::query_scalar(WAL).fetch_one(&mut self.connection).await?;
        let statements = match &self.uncounted {
            Some(reason) => Err(reason.clone()),
            None => Ok(sqlx::query_as(STATEMENTS).fetch_all(&mut self.connection).await?),
        };
        Ok(Written { wal: (wal - self.wal).unsigned_abs(), statements })
    }

    /// A table of what became of rows, once the worker has ended.
    pub(super) async fn tables(mut self, requests: usize) -> Result<String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let sessions: i64 = sqlx::query_scalar(SESSIONS).fetch_one(&mut self.connection).await?;
            if sessions == 0 {
                break;
            }
            ensure!(Instant::now() < deadline, "{sessions} sessions of the worker outlive it by {LIMIT:?}");
            tokio::time::sleep(STEP).await;
        }
        let filled = i64::try_from(requests)?;
        let tables: Vec<Table> = sqlx::query_as(TABLES).bind(filled).fetch_all(&mut self.connection).await?;
        self.connection.close().await?;
        let head = "| table | inserted a request | updated | of these HOT | deleted | index entries, at most | \
                    dead rows in the end | vacuumed |\n\
                    |---|--:|--:|--:|--:|--:|--:|--:|\n";
        Ok(table(head, tables.iter().map(|table| of_table(table, requests))))
    }
}

/// A session that may have statements counted, and has done so.
async fn counting(url: &str) -> Result<PgConnection> {
    let mut connection = superuser(url).await?;
    connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await?;
    // Refused where the server was started without it.
    connection.execute("SELECT FROM pg_stat_statements LIMIT 1").await?;
    connection.execute(COUNT_STATEMENTS).await?;
    Ok(connection)
}

fn of_table(table: &Table, requests: usize) -> String {
    let (name, inserted, updated, hot, deleted, dead, vacuumed, indexes) = table;
    let a_request = |rows: i64| format!("{:.2}", each(rows.unsigned_abs(), requests));
    let share = 100.0 * figure(hot.unsigned_abs()) / figure(updated.unsigned_abs().max(1));
    let share = if *updated > 0 { format!("{share:.1} %") } else { String::new() };
    row(&[
        &code(name),
        &a_request(*inserted),
        &a_request(*updated),
        &share,
        &a_request(*deleted),
        // Each row that is new, and each that moved, has one in every index, but for those that are partial.
        &a_request((inserted + updated - hot) * indexes),
        &dead.to_string(),
        &vacuumed.to_string(),
    ])
}

impl Written {
    /// Rows of the log that is written ahead.
    pub(super) fn figures(&self, requests: usize) -> Vec<String> {
        let whole = format!("{:.0} B", each(self.wal, requests));
        let mut rows = vec![row(&["PostgreSQL: WAL, everybody's", &whole, "`pg_current_wal_lsn()`"])];
        if let Ok(statements) = &self.statements {
            let sum = |of: fn(&Statement) -> i64| each(statements.iter().map(of).sum::<i64>().unsigned_abs(), requests);
            let (bytes, pages) = (sum(|(.., bytes, _)| *bytes), sum(|(.., pages)| *pages));
            let source = "`wal_bytes` of `pg_stat_statements`";
            rows.push(row(&["PostgreSQL: WAL of the worker's statements", &format!("{bytes:.0} B"), source]));
            let source = "`wal_fpi` of `pg_stat_statements`";
            rows.push(row(&["PostgreSQL: full pages in that", &format!("{pages:.3}"), source]));
        }
        rows
    }

    /// A table of the worker's statements, those that took the longest first.
    pub(super) fn statements(&self, requests: usize) -> String {
        let statements = match &self.statements {
            Ok(statements) => statements,
            Err(reason) => {
                return format!(
                    "Statements were not counted: {reason}. The private services count them from their next start on: \
                     `scripts/services down`, then `scripts/services up`.\n"
                );
            }
        };
        let head = "| statement of the worker | calls | rows a call | ms a call | µs a request | WAL, bytes a request | \
                    full pages in all |\n\
                    |---|--:|--:|--:|--:|--:|--:|\n";
        table(head, statements.iter().take(SHOWN).map(|statement| of_statement(statement, requests)))
    }
}

fn of_statement((text, calls, rows, millis, bytes, pages): &Statement, requests: usize) -> String {
    let a_call = |sum: f64| sum / figure(calls.unsigned_abs().max(1));
    row(&[
        &code(&statement(text, postgres::STATEMENTS)),
        &calls.to_string(),
        &format!("{:.1}", a_call(figure(rows.unsigned_abs()))),
        &format!("{:.3}", a_call(*millis)),
        &format!("{:.2}", millis * 1e3 / count(requests)),
        &format!("{:.0}", each(bytes.unsigned_abs(), requests)),
        &pages.to_string(),
    ])
}
