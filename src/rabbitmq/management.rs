//! Asks RabbitMQ's management API what AMQP cannot tell: arguments, bindings, policies. Separate, because it is another
//! protocol with another address, and nothing that serves requests may depend on it.

mod facts;

use std::fmt;
use std::time::Duration;

use reqwest::{Client, StatusCode, Url, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

pub use facts::{BindingFacts, ExchangeFacts, Overview, QueueFacts};
use facts::{FeatureFlag, Policy};

/// Most bytes of one answer.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// A broker's management API, as one user sees one vhost. Printing it shows no password.
pub struct Management {
    client: Client,
    /// With user and password; `reqwest` makes a header of them.
    base: Url,
    vhost: String,
}

/// Why the management API told nothing.
#[derive(Debug, thiserror::Error)]
pub enum ManagementError {
    /// The URL cannot be used. It is not shown, because it may hold a password.
    #[error("broker.management_url {0}; it is written http://user:password@host:15672")]
    Url(&'static str),
    /// There is no HTTP client.
    #[error("no HTTP client for broker.management_url; install the system's CA certificates (package ca-certificates)")]
    Client(#[source] reqwest::Error),
    /// Nobody answered, or the answer broke off.
    #[error("the management API at {place} does not answer")]
    Unreachable {
        /// Where.
        place: String,
        /// What happened.
        #[source]
        source: reqwest::Error,
    },
    /// It answers, but not with what was asked for.
    #[error(
        "the management API at {place} answers {status}: check user `{user}`, its password and its tag `monitoring`"
    )]
    Status {
        /// Where.
        place: String,
        /// As whom.
        user: String,
        /// What it answers.
        status: StatusCode,
    },
    /// The answer is larger than anything legitimate.
    #[error("the management API at {place} answers with more than {MAX_BYTES} bytes")]
    TooLarge {
        /// Where.
        place: String,
    },
    /// The answer is no JSON of the expected form.
    #[error("the management API at {place} answers with something else than expected: is this RabbitMQ's?")]
    Form {
        /// Where.
        place: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

impl Management {
    /// The API at `url`, for a vhost; `None` where the URL is empty.
    ///
    /// # Errors
    /// If the URL cannot be used, or the system lacks what HTTP needs.
    pub fn new(url: &SecretString, vhost: &str, limit: Duration) -> Result<Option<Self>, ManagementError> {
        let text = url.expose_secret();
        if text.is_empty() {
            return Ok(None);
        }
        let base = Url::parse(text).map_err(|_| ManagementError::Url("is no URL"))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(ManagementError::Url("begins with neither http:// nor https://"));
        }
        let client = Client::builder()
            .connect_timeout(limit)
            .timeout(limit)
            // A redirect would carry the password elsewhere.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(ManagementError::Client)?;
        Ok(Some(Self { client, base, vhost: vhost.to_owned() }))
    }

    /// The broker itself.
    ///
    /// # Errors
    /// If the API does not tell.
    pub async fn overview(&self) -> Result<Overview, ManagementError> {
        self.required(&["overview"]).await
    }

    /// A queue, if it exists.
    ///
    /// # Errors
    /// If the API does not tell.
    pub async fn queue(&self, name: &str) -> Result<Option<QueueFacts>, ManagementError> {
        self.get(&["queues", &self.vhost, name]).await
    }

    /// An exchange, if it exists.
    ///
    /// # Errors
    /// If the API does not tell.
    pub async fn exchange(&self, name: &str) -> Result<Option<ExchangeFacts>, ManagementError> {
        self.get(&["exchanges", &self.vhost, name]).await
    }

    /// What is bound to an exchange; nothing if there is none.
    ///
    /// # Errors
    /// If the API does not tell.
    pub async fn bindings_from(&self, exchange: &str) -> Result<Vec<BindingFacts>, ManagementError> {
        let found = self.get(&["exchanges", &self.vhost, exchange, "bindings", "source"]).await?;
        Ok(found.unwrap_or_default())
    }

    /// What a queue is bound to, the default exchange included; nothing if there is none.
    ///
    /// # Errors
    /// If the API does not tell.
    pub async fn bindings_of(&self, queue: &str) -> Result<Vec<BindingFacts>, ManagementError> {
        Ok(self.get(&["queues", &self.vhost, queue, "bindings"]).await?.unwrap_or_default())
    }

    /// The definition of a policy.
    ///
    /// # Errors
    /// If the API does not tell.
    pub async fn policy(&self, name: &str) -> Result<Map<String, Value>, ManagementError> {
        let policies: Vec<Policy> = self.get(&["policies", &self.vhost]).await?.unwrap_or_default();
        Ok(policies.into_iter().find(|policy| policy.name == name).map(|policy| policy.definition).unwrap_or_default())
    }

    /// Whether a feature flag is on; `None` if this broker does not know it, or this user may not ask.
    ///
    /// # Errors
    /// If the API does not answer.
    pub async fn feature(&self, name: &str) -> Result<Option<bool>, ManagementError> {
        let flags: Vec<FeatureFlag> = match self.get(&["feature-flags"]).await {
            Err(ManagementError::Status { .. }) => return Ok(None),
            other => other?.unwrap_or_default(),
        };
        Ok(flags.into_iter().find(|flag| flag.name == name).map(|flag| flag.state != "disabled"))
    }

    async fn required<T: for<'de> Deserialize<'de>>(&self, path: &[&str]) -> Result<T, ManagementError> {
        self.get(path).await?.ok_or_else(|| self.refused(StatusCode::NOT_FOUND))
    }

    /// Asks for a path, whose parts are encoded here; `None` if there is no such thing.
    async fn get<T: for<'de> Deserialize<'de>>(&self, path: &[&str]) -> Result<Option<T>, ManagementError> {
        let place = || self.place();
        let unreachable =
            |source: reqwest::Error| ManagementError::Unreachable { place: place(), source: source.without_url() };
        let mut url = self.base.clone();
        let segments = url.path_segments_mut().map(|mut segments| {
            segments.pop_if_empty().push("api").extend(path);
        });
        segments.map_err(|()| ManagementError::Url("cannot have a path"))?;
        let mut answer = self.client.get(url).send().await.map_err(unreachable)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(self.refused(status)),
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(ManagementError::TooLarge { place: place() });
            }
            body.extend_from_slice(&chunk);
        }
        let read = serde_json::from_slice(&body);
        read.map(Some).map_err(|source| ManagementError::Form { place: place(), source })
    }

    fn refused(&self, status: StatusCode) -> ManagementError {
        ManagementError::Status { place: self.place(), user: self.base.username().to_owned(), status }
    }

    /// The address without user and password.
    fn place(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        let port = self.base.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{host}{port}", self.base.scheme())
    }
}

impl fmt::Debug for Management {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Management({}, vhost `{}`)", self.place(), self.vhost)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Management, ManagementError};
    use crate::telemetry::chain;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn no_password_is_ever_shown() {
        let url = "http://admin:hunter2@127.0.0.1:1";
        let management = Management::new(&url.into(), "/", LIMIT).unwrap().unwrap();
        let error = management.overview().await.unwrap_err();
        assert!(matches!(error, ManagementError::Unreachable { .. }), "{error:?}");
        for shown in [chain(&error), format!("{error:?}"), format!("{management:?}")] {
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn an_empty_url_means_that_there_is_none_and_a_wrong_one_is_not_shown() {
        assert!(Management::new(&"".into(), "/", LIMIT).unwrap().is_none());
        for url in ["hunter2", "amqp://u:hunter2@broker"] {
            let error = Management::new(&url.into(), "/", LIMIT).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
