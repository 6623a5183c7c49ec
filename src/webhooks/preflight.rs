//! Whether receivers can be reached. Sends them nothing: an event that nobody caused would be taken for one.

use std::io;
use std::time::Duration;

use reqwest::Url;
use secrecy::ExposeSecret as _;
use tokio::net::TcpStream;

use crate::config::WebhookTarget;

/// Where a receiver is, as far as that may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `https://host:port`.
    pub shown: String,
    /// Whether what is sent there can be read on the way.
    pub is_open: bool,
    address: String,
}

/// Why a receiver cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum Unreached {
    /// Nobody answers there.
    #[error("nobody takes connections there")]
    Refused(#[source] io::Error),
    /// Nobody answers in time.
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
}

/// Where a target leads; `None` if its URL cannot be read.
#[must_use]
pub fn place(target: &WebhookTarget) -> Option<Place> {
    let url = Url::parse(target.url.expose_secret()).ok()?;
    let (host, port) = (url.host_str()?, url.port_or_known_default()?);
    let address = format!("{host}:{port}");
    let on_loopback = ["localhost", "[::1]"].contains(&host) || host.starts_with("127.");
    let is_open = url.scheme() == "http" && !on_loopback;
    Some(Place { shown: format!("{}://{address}", url.scheme()), is_open, address })
}

/// Opens a connection there and closes it again.
///
/// # Errors
/// If there is none within the limit.
pub async fn reach(place: &Place, limit: Duration) -> Result<(), Unreached> {
    let connected = tokio::time::timeout(limit, TcpStream::connect(&place.address)).await;
    connected.map_err(|_| Unreached::TimedOut(limit))?.map(|_| ()).map_err(Unreached::Refused)
}

#[cfg(test)]
mod tests {
    use super::place;
    use crate::config::WebhookTarget;

    #[test]
    fn of_a_receiver_no_path_is_shown_and_an_open_way_is_known() {
        let of = |url: &str| {
            let place = place(&WebhookTarget { name: "crm".to_owned(), url: url.into() }).unwrap();
            (place.shown, place.is_open)
        };
        assert_eq!(of("https://h/hooks/hunter2?k=hunter2"), ("https://h:443".to_owned(), false));
        assert_eq!(of("http://h:8080/x"), ("http://h:8080".to_owned(), true));
        assert_eq!(of("http://[::1]:8080/x"), ("http://[::1]:8080".to_owned(), false));
        assert_eq!(of("http://127.0.0.1/x"), ("http://127.0.0.1:80".to_owned(), false));
    }
}
