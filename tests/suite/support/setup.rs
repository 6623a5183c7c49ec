//! What a test of the record alone needs: a database, seen by the worker and by somebody else.

use join_community::domain::SiteId;
use join_community::postgres::{Role, Session};
use sqlx::PgConnection;

use super::asking::new_site;
use super::{TestDatabase, database};

/// A database, and a site that nobody has named yet.
pub(crate) struct Setup {
    pub(crate) database: TestDatabase,
    /// The worker, or a command of it.
    pub(crate) store: Session,
    /// A writer who knows nothing of the worker.
    pub(crate) stranger: PgConnection,
    pub(crate) site: SiteId,
}

impl Setup {
    /// With a session of this role.
    pub(crate) async fn with(role: Role) -> Self {
        let database = database().await;
        let store = Session::new(&database.config, role).unwrap();
        Self { stranger: database.stranger().await, database, store, site: new_site() }
    }

    /// Has the stranger carry out a statement.
    pub(crate) async fn does(&mut self, statement: &'static str) {
        sqlx::query(statement).execute(&mut self.stranger).await.unwrap();
    }
}
