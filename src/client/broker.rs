//! Where the broker is, and how patient whoever speaks to it. Apart, because requests go to the same one that events
//! come from.

use std::time::Duration;

use lapin::types::ShortString;

use super::error::Lost;
use crate::rabbitmq::address::{Address, UrlError};
use crate::rabbitmq::connect::{Limits, TlsFiles};

/// Where the broker is. Printing it never shows the password.
///
/// ```
/// use join_community::client::Broker;
///
/// let broker = Broker::at("amqps://shop:secret@rabbitmq.example/%2f")?.name("shop").prefix("blue.");
/// assert!(!format!("{broker:?}").contains("secret"));
/// # Ok::<(), join_community::client::UrlError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Broker {
    pub(super) address: Address,
    pub(super) name: Box<str>,
    pub(super) tls: TlsFiles,
    prefix: Box<str>,
    pub(super) timeout: Duration,
    pub(super) heartbeat: Duration,
    pub(super) longest_pause: Duration,
}

impl Broker {
    /// The broker at an AMQP URL, `amqp://user:password@host:5672/vhost`. A `/` in a vhost is written `%2f`.
    ///
    /// # Errors
    /// If it is no AMQP URL. The error does not show it.
    pub fn at(url: &str) -> Result<Self, UrlError> {
        Ok(Self {
            address: Address::read(url)?,
            name: "join-community client".into(),
            tls: TlsFiles::default(),
            prefix: "".into(),
            timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(10),
            longest_pause: Duration::from_secs(10),
        })
    }

    /// The name that the broker shows the connections under.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        Self { name: name.into(), ..self }
    }

    /// What is trusted and shown where the URL says `amqps://`. By default the authorities of the system are trusted, and
    /// no certificate is shown. The files are read for each connection; errors call them what the worker's configuration
    /// does: `broker.ca_file` and so on.
    #[must_use]
    pub fn tls(self, files: TlsFiles) -> Self {
        Self { tls: files, ..self }
    }

    /// What the names of the installation begin with, its `broker.prefix`. By default nothing.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// How long the broker may take to connect, and to answer whatever it is asked. By default 10 s.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// How often each side shows that it lives; after twice as long the other counts as dead. By default 10 s. In whole
    /// seconds, at least one: what is beyond them does not count.
    #[must_use]
    pub fn heartbeat(self, heartbeat: Duration) -> Self {
        Self { heartbeat, ..self }
    }

    /// The longest pause between two tries to connect. They begin at 100 ms and grow up to this, by default 10 s.
    #[must_use]
    pub fn longest_pause(self, longest_pause: Duration) -> Self {
        Self { longest_pause, ..self }
    }

    pub(super) fn limits(&self) -> Limits {
        Limits { timeout: self.timeout, heartbeat: self.heartbeat }
    }

    /// The full name of an exchange of the installation.
    pub(super) fn exchange(&self, name: &str) -> Result<ShortString, Lost> {
        short(&format!("{}{name}", self.prefix))
    }
}

/// A name that AMQP can carry.
pub(super) fn short(name: &str) -> Result<ShortString, Lost> {
    ShortString::try_new(name).map_err(|_| Lost::Name(name.to_owned()))
}
