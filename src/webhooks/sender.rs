//! One try: what is posted to a receiver, and what counts as taken.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use metrics::Histogram;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, StatusCode, Url, redirect};
use secrecy::ExposeSecret as _;

use super::SetupError;
use super::resolver::Resolver;
use crate::config;
use crate::telemetry::chain;

/// Of an answer so much is read, that its connection can be used again.
const MOST_OF_AN_ANSWER: usize = 16 * 1024;

/// Posts to one target.
pub(super) struct Sender {
    client: Client,
    url: Url,
    limit: Duration,
    seconds: Histogram,
}

/// Why a try failed. None of its texts holds the URL.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("answered {0}; only 200 counts, and redirects are not followed")]
    Status(StatusCode),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("no answer: {}", chain(.0))]
    Unreachable(#[source] reqwest::Error),
}

/// A client of one target.
fn client(webhooks: &config::Webhooks) -> Result<Client, SetupError> {
    Client::builder()
        .connect_timeout(webhooks.timeout)
        .timeout(webhooks.timeout)
        // A receiver must not lead a member's data elsewhere.
        .redirect(redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Resolver::new())
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        .pool_max_idle_per_host(webhooks.concurrency.into())
        .build()
        .map_err(SetupError::HttpClient)
}

impl Sender {
    pub(super) fn new(
        webhooks: &config::Webhooks,
        target: &config::WebhookTarget,
        seconds: Histogram,
    ) -> Result<Self, SetupError> {
        let url = Url::parse(target.url.expose_secret()).map_err(|_| SetupError::Url(target.name.clone()))?;
        Ok(Self { client: client(webhooks)?, url, limit: webhooks.timeout, seconds })
    }

    /// Posts a body. Taken is what was answered with 200 in time, as the Members API has it.
    pub(super) async fn send(&self, body: Bytes) -> Result<(), Failure> {
        let began = Instant::now();
        // What receivers of the Members API read as text, and verify as it came.
        let post = self.client.post(self.url.clone()).header(CONTENT_TYPE, "text/plain; charset=utf-8").body(body);
        let answered = post.send().await;
        self.seconds.record(began.elapsed().as_secs_f64());
        let answer = answered.map_err(|error| self.failure(error))?;
        let status = answer.status();
        read(answer).await;
        if status == StatusCode::OK { Ok(()) } else { Err(Failure::Status(status)) }
    }

    fn failure(&self, error: reqwest::Error) -> Failure {
        if error.is_timeout() { Failure::TimedOut(self.limit) } else { Failure::Unreachable(error.without_url()) }
    }
}

/// Reads what else an answer has to say, within the limit of the try; its status has said everything.
async fn read(mut answer: Response) {
    let mut left = MOST_OF_AN_ANSWER;
    while let Ok(Some(chunk)) = answer.chunk().await {
        match left.checked_sub(chunk.len()) {
            Some(less) => left = less,
            None => return,
        }
    }
}
