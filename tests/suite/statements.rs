//! Every statement of the worker against the schema: that it can be prepared at all, and that it goes by key whatever the
//! tables held when its plan was made.

use join_community::postgres::{Role, STATEMENTS, Session};
use serde_json::Value;
#[expect(clippy::disallowed_types, reason = "PREPARE and EXPLAIN take no parameters, and the statements are ours")]
use sqlx::AssertSqlSafe;
use sqlx::{Executor as _, PgConnection, SqlSafeStr as _};

use crate::support;

/// These walk in key order by design; all others look up single rows.
const WALKS: [&str; 11] = [
    "page",
    "advance",
    "next_site",
    "recorded",
    "prune",
    "audit_page",
    "resync_page",
    "causes",
    "count_members",
    "search_newest",
    "search_newest_edge",
];
/// Two count everything by design, the other reads no row of the table that it names.
const NO_KEY: [&str; 3] = ["outbox_depth", "count_members", "probe"];

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

/// What the tables may hold when a session plans its statements. A plan is kept as long as the session lives, so one that
/// is only good for this would be a disaster later.
const STATES: [(&str, &str); 5] = [
    ("empty, never analyzed", ""),
    ("empty", "ANALYZE members; ANALYZE sites; ANALYZE outbox; ANALYZE join_requests; ANALYZE announcements"),
    (
        "one row each",
        "INSERT INTO sites VALUES (md5('s1')::uuid, 'ANYONE');
         INSERT INTO members (site_id, id) VALUES (md5('s1')::uuid, md5('m1')::uuid);
         UPDATE members SET status = 'BLOCKED';
         INSERT INTO join_requests SELECT site_id, 'r1', 'producer:p', '', id, 'MEMBER:' || id, false, 'producer', 'joined',
             NULL, NULL, 1, now(), now(), NULL FROM members;
         INSERT INTO announcements SELECT now(), ARRAY[site_id], ARRAY[id], ARRAY[1], ARRAY[now()], ARRAY[now()] FROM members;
         ANALYZE members; ANALYZE sites; ANALYZE outbox; ANALYZE join_requests; ANALYZE announcements",
    ),
    (
        "some rows, not analyzed since",
        "INSERT INTO members (site_id, id) SELECT md5('s' || n % 3)::uuid, md5('m' || n)::uuid FROM generate_series(2, 60) n",
    ),
    (
        "many rows",
        "INSERT INTO members (site_id, id) SELECT md5('s' || n % 3)::uuid, md5('m' || n)::uuid
             FROM generate_series(61, 100000) n;
         INSERT INTO join_requests SELECT site_id, 'r' || id, 'producer:p', '', id, 'MEMBER:' || id, false, 'producer',
             'joined', NULL, NULL, 1, now(), now(), NULL FROM members LIMIT 20000;
         INSERT INTO announcements SELECT now() - random() * interval '30 days', ARRAY[site_id], ARRAY[id], ARRAY[1],
             ARRAY[now()], ARRAY[now()] FROM members LIMIT 20000;
         ANALYZE members; ANALYZE join_requests; ANALYZE announcements",
    ),
];

#[tokio::test]
async fn every_statement_goes_by_key_whatever_the_tables_held_when_it_was_planned() {
    let database = support::database().await;
    let mut stranger = database.stranger().await;
    let mut found = Vec::new();
    for (state, statements) in STATES {
        sqlx::raw_sql(statements).execute(&mut stranger).await.unwrap();
        // A new session for each state: none inherits a plan.
        let mut store = Session::new(&database.config, Role::Lane).unwrap();
        for (name, statement) in STATEMENTS {
            let plan = store.run(async |connection| explain(connection, name, statement).await).await.unwrap();
            let mut faults = Vec::new();
            inspect(&plan, name, &mut faults);
            found.extend(faults.into_iter().map(|fault| format!("{state}: {name}: {fault}")));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The plan that the statement keeps: made without looking at its parameters.
async fn explain(connection: &mut PgConnection, name: &str, statement: &str) -> Result<Value, sqlx::Error> {
    let parameters = (1..=99).take_while(|number| statement.contains(&format!("${number}"))).count();
    let nulls = vec!["NULL"; parameters].join(", ");
    let arguments = if parameters == 0 { String::new() } else { format!("({nulls})") };
    connection.execute(AssertSqlSafe(format!("PREPARE s_{name} AS {statement}"))).await?;
    let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE s_{name}{arguments}");
    // Not as a prepared statement of its own, which EXPLAIN EXECUTE cannot be.
    let row = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_one(connection).await?;
    Ok(sqlx::Row::get::<sqlx::types::Json<Value>, _>(&row, 0).0)
}

fn inspect(node: &Value, name: &str, faults: &mut Vec<String>) {
    match node {
        Value::Array(nodes) => nodes.iter().for_each(|node| inspect(node, name, faults)),
        Value::Object(fields) => {
            let text = |field: &str| fields.get(field).and_then(Value::as_str).unwrap_or_default();
            let (kind, relation, condition) = (text("Node Type"), text("Relation Name"), text("Index Cond"));
            let is_ours = ["members", "outbox", "join_requests", "sites", "announcements"].contains(&relation);
            let is_by_key = match (text("Index Name"), name) {
                (_, walk) if WALKS.contains(&walk) => !condition.is_empty() || kind == "Tid Range Scan",
                // Looks at the ends of the key.
                ("members_pkey", "several_sites") => kind == "Index Only Scan",
                ("announcements_at", "announced") => condition.contains("(at ") || kind == "Index Only Scan",
                ("members_pkey", _) => condition.contains("site_id") && condition.contains("(id = "),
                ("outbox_pkey", _) => condition.contains("site_id") && condition.contains("(member_id = "),
                ("join_requests_pkey", _) => condition.contains("request_id") && condition.contains("requester"),
                ("sites_pkey", _) => condition.contains("site_id"),
                ("outbox_event_due" | "outbox_cache_due", _) => condition.contains("lease_until"),
                ("announcements_at", _) => condition.contains("(at "),
                // What the index has found, whose order does not count.
                ("", "prune_announcements" | "announced") => kind == "Bitmap Heap Scan",
                _ => false,
            };
            if kind.ends_with("Scan") && is_ours && !is_by_key && !NO_KEY.contains(&name) {
                faults.push(format!("{kind} on {relation} by [{condition}]"));
            }
            if kind.starts_with("Gather") {
                faults.push(format!("{kind}, and so processes that are started for it"));
            }
            fields.values().for_each(|value| inspect(value, name, faults));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
