//! Where everything of one measurement is, and how a child process is told.
//!
//! Apart from the ground itself, because children know of nothing else.

use std::process::Command;

use anyhow::{Context as _, Result};
use join_community::config::Auth;
use lapin::Connection;

/// Where events go, and under which key.
pub(crate) const EVENTS: (&str, &str) = ("members.events", "wix.members.v1.member_updated");
/// The queue that keeps every event.
pub(crate) const KEPT: &str = "bench.events";

/// Addresses and names.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) worker_url: String,
    pub(crate) producer_url: String,
    pub(crate) administrator_url: String,
    pub(crate) database_url: String,
    pub(crate) cache_url: String,
    pub(crate) cache_prefix: String,
    /// The queue that requests lie in.
    pub(crate) queue: &'static str,
    /// Whose tokens are believed.
    pub(crate) auth: Auth,
}

impl Place {
    /// Tells the worker, and nothing else: whatever is not about a place is as the worker has it by default.
    pub(crate) fn tell_worker(&self, command: &mut Command) {
        forget_settings(command);
        for (key, value) in [
            ("BROKER__URL", self.worker_url.as_str()),
            ("DATABASE__URL", &self.database_url),
            ("CACHE__URL", &self.cache_url),
            ("CACHE__PREFIX", &self.cache_prefix),
            ("AUTH__JWKS", &self.auth.jwks),
            ("AUTH__ISSUER", &self.auth.issuer),
            ("AUTH__AUDIENCE", &self.auth.audience),
            ("AUTH__PRODUCERS", r#"[{ user = "member-gateway", identity_types = ["MEMBER"], sites = ["*"] }]"#),
            // Its port may be taken; that it listens is as usual.
            ("HTTP__LISTEN", "127.0.0.1:0"),
        ] {
            command.env(format!("JOIN_COMMUNITY__{key}"), value);
        }
    }

    /// Tells a peer, as `benches/peers/README.md` says.
    pub(crate) fn tell_peer(&self, command: &mut Command) {
        for (key, value) in [
            ("AMQP_URL", self.administrator_url.as_str()),
            ("DATABASE_URL", &self.database_url),
            ("REDIS_URL", &self.cache_url),
            ("CACHE_PREFIX", &self.cache_prefix),
            ("QUEUE", self.queue),
            ("EVENTS_EXCHANGE", EVENTS.0),
        ] {
            command.env(format!("PEER_{key}"), value);
        }
    }
}

/// Keeps from a command what the environment says to every worker.
pub(crate) fn forget_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("JOIN_COMMUNITY__") {
            command.env_remove(name);
        }
    }
}

/// What a peer was told.
pub(crate) fn told(key: &str) -> Result<String> {
    std::env::var(format!("PEER_{key}")).with_context(|| format!("PEER_{key} is not set"))
}

/// Connects as any client does.
pub(crate) async fn dial(url: &str) -> Result<Connection> {
    Ok(Connection::connect(url, lapin::ConnectionProperties::default()).await?)
}
