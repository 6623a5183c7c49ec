//! A migrated database for each test, copied from a template that is migrated once for each state of the schema.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use join_community::config;
use join_community::postgres;
use secrecy::SecretString;
#[expect(clippy::disallowed_types, reason = "the name of a database cannot be bound, and these are ours")]
use sqlx::AssertSqlSafe;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::sync::OnceCell;

use super::{finish, leftovers, settings, unique};

const KIND: &str = "jc_test";
const TEMPLATE_KIND: &str = "jc_template";
/// Any number: who holds it is making the template.
const TEMPLATE_LOCK: i64 = 0x6a63_7465_6d70;

/// A database of one test, dropped with this value.
pub(crate) struct TestDatabase {
    /// How the worker reaches it.
    pub(crate) config: config::Database,
    name: String,
}

/// Makes a database with the newest schema, and nothing in it.
pub(crate) async fn database() -> TestDatabase {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let template = TEMPLATE.get_or_init(template).await;
    let name = unique(KIND);
    create(&mut server().await, &name, Some(template)).await;
    TestDatabase::named(name)
}

/// Makes a database without a schema.
pub(crate) async fn empty_database() -> TestDatabase {
    let name = unique(KIND);
    create(&mut server().await, &name, None).await;
    TestDatabase::named(name)
}

impl TestDatabase {
    fn named(name: String) -> Self {
        Self { config: settings::config(&[("DATABASE__URL", &url(&name))]).database, name }
    }

    /// The URL, as the environment spells it.
    pub(crate) fn url(&self) -> String {
        url(&self.name)
    }

    /// A connection with no settings of the worker: a writer who knows nothing of it.
    pub(crate) async fn stranger(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.expect("the test's own database answers")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        finish(async { drop_database(&mut server().await, &self.name).await });
    }
}

fn url(database: &str) -> String {
    let mut url: reqwest::Url = settings::variable("JOIN_COMMUNITY__DATABASE__URL").parse().expect("a URL");
    url.set_path(database);
    url.into()
}

/// The database of the environment: from here others are created and dropped; nothing in it is touched.
async fn server() -> PgConnection {
    let url = settings::variable("JOIN_COMMUNITY__DATABASE__URL");
    PgConnection::connect(&url)
        .await
        .unwrap_or_else(|error| panic!("PostgreSQL of the environment does not answer, `scripts/services up`: {error}"))
}

async fn create(server: &mut PgConnection, name: &str, template: Option<&str>) {
    let template = template.unwrap_or("template0");
    let statement = format!("CREATE DATABASE {name} TEMPLATE {template}");
    server.execute(AssertSqlSafe(statement)).await.unwrap_or_else(|error| panic!("{name} from {template}: {error}"));
}

async fn drop_database(server: &mut PgConnection, name: &str) {
    // What cannot be dropped now is swept in an hour; the test's own result is worth more.
    server.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))).await.ok();
}

async fn template() -> String {
    let mut server = server().await;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut server).await.unwrap();
    let name = template_name();
    let existing: Vec<String> =
        sqlx::query_scalar("SELECT datname::text FROM pg_database").fetch_all(&mut server).await.unwrap();
    for left_over in existing.iter().filter(|name| leftovers::is_left_over(name, KIND)) {
        drop_database(&mut server, left_over).await;
    }
    if !existing.contains(&name) {
        let raw = unique(KIND);
        create(&mut server, &raw, None).await;
        postgres::migrate(&SecretString::from(url(&raw))).await.expect("the migrations apply to an empty database");
        server.execute(AssertSqlSafe(format!("ALTER DATABASE {raw} RENAME TO {name}"))).await.unwrap();
    }
    // The connection goes, and the lock with it.
    name
}

/// Named by the content of the migrations: when they change, another template is made.
fn template_name() -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        std::fs::read(file).unwrap().hash(&mut hasher);
    }
    format!("{TEMPLATE_KIND}_{:016x}", hasher.finish())
}

/// What operators did, the oldest first: action, target, reason and outcome.
pub(crate) async fn on_record(connection: &mut PgConnection) -> Vec<[String; 4]> {
    let rows: Vec<(String, String, String, String)> =
        sqlx::query_as("SELECT action, target, reason, outcome FROM operator_actions ORDER BY id")
            .fetch_all(connection)
            .await
            .expect("the record can be read");
    rows.into_iter().map(|(action, target, reason, outcome)| [action, target, reason, outcome]).collect()
}
