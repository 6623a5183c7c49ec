//! Where the keys come from: a file, a URL, or wherever an issuer says. Separate, because what is read is bounded here, in
//! size and in time.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode, Url, redirect};
use tokio::fs::{self, File};
use tokio::io::AsyncReadExt as _;

use super::AuthSetupError;
use super::key_set::KeySetError;
use super::oidc::discovery::Discovery;

const MAX_BYTES: u64 = 1024 * 1024;
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const READ_LIMIT: Duration = Duration::from_secs(10);

/// A place that keys are read from.
pub(super) enum KeySource {
    File(PathBuf),
    Url { client: Client, url: Url },
    Issuer(Arc<Discovery>),
}

/// Why no keys could be read. All of it may pass by itself, so none of it is fatal.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyReadError {
    #[error("the file cannot be read")]
    File(#[source] io::Error),
    #[error("this is no regular file")]
    NoFile,
    #[error("no answer")]
    Http(#[source] reqwest::Error),
    #[error("the answer is {0}; only 200 is taken, and redirects are not followed")]
    Status(StatusCode),
    #[error("it is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("not read within {READ_LIMIT:?}")]
    TimedOut,
    #[error("the content is of no use")]
    Content(#[source] KeySetError),
    #[error("the discovery document cannot be read")]
    NoDiscovery(#[source] Box<Self>),
    #[error("the discovery document {0}")]
    Discovery(&'static str),
}

impl KeySource {
    pub(super) fn new(jwks: &str) -> Result<Self, AuthSetupError> {
        match jwks.split_once("://") {
            None => Ok(Self::File(jwks.into())),
            Some(("http" | "https", _)) => Self::url(jwks),
            Some((scheme, _)) => {
                Err(AuthSetupError::setting("auth.jwks", format!("{scheme}://…"), "a file, or an http(s) URL"))
            }
        }
    }

    fn url(jwks: &str) -> Result<Self, AuthSetupError> {
        // The value is not repeated: what cannot be taken apart cannot be cleared of a password either.
        let url = Url::parse(jwks).map_err(|_| AuthSetupError::setting("auth.jwks", "…", "a URL that can be read"))?;
        Ok(Self::Url { client: client()?, url })
    }

    /// What of the configuration names this place.
    pub(super) const fn setting(&self) -> &'static str {
        match self {
            Self::File(_) | Self::Url { .. } => "auth.jwks",
            Self::Issuer(_) => "http.oidc_issuer",
        }
    }

    /// The place in words, without what could be secret in a URL: user, password and query.
    pub(super) fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Url { url, .. } => shown(url),
            Self::Issuer(issuer) => shown(issuer.document()),
        }
    }

    /// How long the keys are left alone after a read, whoever asks. A file costs next to nothing.
    pub(super) fn cooldown(&self, configured: Duration) -> Duration {
        match self {
            Self::File(_) => configured.min(Duration::from_secs(1)),
            Self::Url { .. } | Self::Issuer(_) => configured,
        }
    }

    /// How often the keys are read when nobody asks.
    pub(super) fn period(&self) -> Duration {
        match self {
            Self::File(_) => Duration::from_secs(30),
            Self::Url { .. } | Self::Issuer(_) => Duration::from_mins(5),
        }
    }

    pub(super) async fn read(&self) -> Result<Vec<u8>, KeyReadError> {
        let read = async {
            match self {
                Self::File(path) => read_file(path.clone()).await,
                Self::Url { client, url } => fetch(client, url.clone()).await,
                Self::Issuer(issuer) => issuer.keys().await,
            }
        };
        tokio::time::timeout(READ_LIMIT, read).await.map_err(|_| KeyReadError::TimedOut)?
    }
}

fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

async fn read_file(path: PathBuf) -> Result<Vec<u8>, KeyReadError> {
    // Asked first, because opening a pipe would wait for a writer, on a thread that nobody can call back.
    if !fs::metadata(&path).await.map_err(KeyReadError::File)?.is_file() {
        return Err(KeyReadError::NoFile);
    }
    let mut content = Vec::new();
    let file = File::open(&path).await.map_err(KeyReadError::File)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut content).await.map_err(KeyReadError::File)?;
    if content.len() as u64 > MAX_BYTES { Err(KeyReadError::TooLarge) } else { Ok(content) }
}

/// A client with limits, that goes nowhere but where it is sent.
pub(super) fn client() -> Result<Client, AuthSetupError> {
    Client::builder()
        .connect_timeout(CONNECT_LIMIT)
        .timeout(READ_LIMIT)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(AuthSetupError::HttpClient)
}

pub(super) async fn fetch(client: &Client, url: Url) -> Result<Vec<u8>, KeyReadError> {
    let answer = client.get(url).send().await.map_err(failed)?;
    if answer.status() != StatusCode::OK {
        return Err(KeyReadError::Status(answer.status()));
    }
    content(answer).await
}

/// The URL may hold a password, and errors are logged.
pub(super) fn failed(error: reqwest::Error) -> KeyReadError {
    KeyReadError::Http(error.without_url())
}

/// What an answer holds, if that is not too much.
pub(super) async fn content(mut answer: Response) -> Result<Vec<u8>, KeyReadError> {
    let mut content = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if (content.len() + chunk.len()) as u64 > MAX_BYTES {
            return Err(KeyReadError::TooLarge);
        }
        content.extend_from_slice(&chunk);
    }
    Ok(content)
}
