//! Section `[webhooks]`: who is told of changes by HTTP. Separate, because it is all that other modules know of receivers.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

/// `[webhooks]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    /// Who is told; nobody = webhooks are off.
    pub targets: Vec<WebhookTarget>,
    /// RSA private key (PEM) that webhooks are signed with.
    pub key: SecretString,
    /// The account, for `accountInfo`; empty = left out.
    pub account_id: String,
    /// A receiver has this long to answer.
    #[serde(with = "super::duration")]
    pub timeout: Duration,
    /// Webhooks on their way to one target at once.
    pub concurrency: u16,
    /// The waits before each further try.
    #[serde(with = "super::duration::list")]
    pub ladder: Vec<Duration>,
}

/// `[[webhooks.targets]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookTarget {
    /// What it is called in queues, metrics and logs.
    pub name: String,
    /// Where webhooks are posted to. Never shown whole: its path or query may be what proves the sender.
    pub url: SecretString,
}

impl Webhooks {
    /// Whether anybody is told.
    #[must_use]
    pub fn are_on(&self) -> bool {
        !self.targets.is_empty()
    }
}
