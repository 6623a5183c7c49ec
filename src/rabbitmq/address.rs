//! Where a broker is and as whom it is spoken to, read from an AMQP URL.
//! Separate so that everything else can name user, host and vhost without ever holding the password.

use std::fmt;

use lapin::uri::{AMQPScheme, AMQPUri};
#[cfg(feature = "worker")]
use secrecy::{ExposeSecret as _, SecretString};

/// A broker's address. Printing it never shows the password.
#[derive(Clone)]
pub struct Address(AMQPUri);

/// A broker URL that cannot be used. The URL is not shown, because it may hold a password.
#[derive(Debug, thiserror::Error)]
#[error("the broker URL {0}; it is written amqp://user:password@host:5672/vhost, `/` in a vhost as %2f")]
pub struct UrlError(&'static str);

impl Address {
    /// Reads an AMQP URL.
    ///
    /// # Errors
    ///
    /// If it is none. The error names what is wrong, not the URL.
    #[cfg(feature = "worker")]
    pub fn parse(url: &SecretString) -> Result<Self, UrlError> {
        Self::read(url.expose_secret())
    }

    /// Reads an AMQP URL that is held as plain text.
    ///
    /// # Errors
    ///
    /// If it is none. The error names what is wrong, not the URL.
    pub fn read(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError("is no URL"))?;
        if !matches!(scheme.trim_start().to_ascii_lowercase().as_str(), "amqp" | "amqps") {
            return Err(UrlError("begins with neither amqp:// nor amqps://"));
        }
        let mut uri: AMQPUri = text.parse().map_err(|_| UrlError("holds a part that cannot be read"))?;
        // The parser knows names only: for an IPv6 address it silently takes `localhost`.
        if let Some(address) = ipv6(rest) {
            address.clone_into(&mut uri.authority.host);
        }
        Ok(Self(uri))
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.0.authority.userinfo.username
    }

    /// The host, a name or an address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.0.authority.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.authority.port
    }

    /// The virtual host, decoded.
    #[must_use]
    pub fn vhost(&self) -> &str {
        &self.0.vhost
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.scheme == AMQPScheme::AMQPS
    }

    /// What `lapin` connects with: password included, so it stays within this module's siblings.
    pub(super) fn uri(&self) -> AMQPUri {
        self.0.clone()
    }
}

/// The IPv6 address in what follows a scheme, if its host is one.
fn ipv6(rest: &str) -> Option<&str> {
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    host.strip_prefix('[')?.split_once(']').map(|(address, _)| address)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host();
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        write!(f, "{}://{}@{host}:{} vhost `{}`", self.0.scheme, self.user(), self.port(), self.vhost())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(all(test, feature = "worker"))]
mod tests {
    use super::Address;

    #[test]
    fn an_address_shows_everything_but_the_password() {
        let address = Address::parse(&"amqps://join-worker:hunter2@broker.example/team%2fa".into()).unwrap();
        assert_eq!(address.to_string(), "amqps://join-worker@broker.example:5671 vhost `team/a`");
        assert!(!format!("{address:?}").contains("hunter2"));
        assert!(address.is_tls());
    }

    #[test]
    fn an_ipv6_address_is_not_taken_for_localhost() {
        let address = Address::parse(&"amqp://u:p@[fd00::7]:5679/%2f".into()).unwrap();
        assert_eq!((address.host(), address.port(), address.vhost()), ("fd00::7", 5679, "/"));
        assert_eq!(address.to_string(), "amqp://u@[fd00::7]:5679 vhost `/`");
        let no_address = Address::read("amqp://u:%5Bfd00::7%5D@broker.example/%5B::1%5D").unwrap();
        assert_eq!((no_address.host(), no_address.port(), no_address.vhost()), ("broker.example", 5672, "[::1]"));
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_being_shown() {
        for url in ["", "hunter2", "http://u:hunter2@broker/", "amqp:hunter2", "amqp://u:hunter2@broker?heartbeat=x"] {
            let error = Address::parse(&url.into()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
