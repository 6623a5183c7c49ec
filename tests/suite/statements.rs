//! Every statement of the worker against the schema: that it can be prepared at all, and that it never reads a whole table.

use join_community::postgres::STATEMENTS;
use sqlx::{Executor as _, SqlSafeStr as _};

use crate::support;

#[tokio::test]
async fn every_statement_fits_the_schema() {
    let database = support::database().await;
    let mut connection = database.stranger().await;
    let mut misfits = Vec::new();
    for (name, statement) in STATEMENTS {
        if let Err(error) = connection.prepare(statement.into_sql_str()).await {
            misfits.push(format!("{name}: {error}"));
        }
    }
    assert!(misfits.is_empty(), "{misfits:#?}");
}
