//! A running worker, asked through its API: what only it knows, or only it can do.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use reqwest::{Client, RequestBuilder, StatusCode, Url, redirect};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::Context;
use super::values;

/// An answer is a few kilobytes.
const LARGEST: usize = 256 * 1024;
/// A worker that takes longer has other troubles.
const LIMIT: Duration = Duration::from_secs(5);

/// Which worker is asked, and as whom.
#[derive(Debug, clap::Args)]
pub struct Worker {
    /// Where the worker's operations server is, as http://HOST:PORT; without it, http.listen of this configuration.
    #[arg(long, value_name = "URL")]
    pub at: Option<Url>,
    /// File with an operator's token, as `token console` or the issuer of `http.oidc_issuer` makes it; `-` is stdin. Not needed
    /// on an open loopback.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

impl Worker {
    /// Asks for something.
    ///
    /// # Errors
    /// If the worker does not answer, or not with that.
    pub async fn get(&self, path: &str, context: &Context) -> anyhow::Result<Value> {
        let at = self.place(context)?;
        self.send(&at, client()?.get(at.join(path)?)).await
    }

    /// Has something done.
    ///
    /// # Errors
    /// If the worker does not answer, or refuses.
    pub async fn post(&self, path: &str, order: &Value, context: &Context) -> anyhow::Result<Value> {
        let at = self.place(context)?;
        self.send(&at, client()?.post(at.join(path)?).json(order)).await
    }

    fn place(&self, context: &Context) -> anyhow::Result<Url> {
        let listen = &context.config.http.listen;
        match &self.at {
            Some(at) => Ok(at.clone()),
            None if listen.is_empty() => {
                bail!("http.listen is empty: no worker can be asked; say where it is with --at")
            }
            None => {
                format!("http://{listen}").parse().with_context(|| format!("http.listen {listen} is no place to ask"))
            }
        }
    }

    async fn send(&self, at: &Url, mut request: RequestBuilder) -> anyhow::Result<Value> {
        if let Some(file) = &self.token_file {
            request = request.bearer_auth(values::token_in(file)?.expose_secret());
        }
        let unreachable = || format!("the worker at {at} does not answer: does it run, and does it listen there?");
        let mut answer = request.send().await.map_err(reqwest::Error::without_url).with_context(unreachable)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(reqwest::Error::without_url).with_context(unreachable)? {
            ensure!(body.len() + part.len() <= LARGEST, "the worker at {at} answers more than {LARGEST} bytes");
            body.extend_from_slice(&part);
        }
        let told = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        match status {
            _ if status.is_success() => Ok(told),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                bail!("the worker at {at} refuses: give --token-file with a token of the role that is needed")
            }
            _ => {
                let why = told["message"].as_str().unwrap_or("is http.console on, and is it of this version?");
                bail!("the worker at {at} answers {status}: {why}")
            }
        }
    }
}

fn client() -> anyhow::Result<Client> {
    // A redirect or a proxy would carry the token elsewhere.
    Ok(Client::builder().timeout(LIMIT).redirect(redirect::Policy::none()).no_proxy().build()?)
}
