//! PostgreSQL by somebody who may do everything: to choose where tables lie, to have statements counted. For tests alone.

use anyhow::Result;
use reqwest::Url;
use sqlx::{Connection as _, PgConnection};

/// The only one who may; the password is that of the private services.
const SUPERUSER: &str = "postgres";

/// Connects to the same database as this user.
pub(crate) async fn superuser(url: &str) -> Result<PgConnection> {
    let mut url: Url = url.parse()?;
    let changed = url.set_username(SUPERUSER).and_then(|()| url.set_password(Some(SUPERUSER)));
    changed.map_err(|()| anyhow::anyhow!("a URL with a user"))?;
    Ok(PgConnection::connect(url.as_str()).await?)
}
