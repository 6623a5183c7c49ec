//! Calls to a worker's operations server, as a script or a browser makes them.

use std::net::SocketAddr;

use join_community::config::{Config, ConsoleRole, ConsoleToken};
use join_community::console::digest_of;
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::Worker;

/// Somebody who calls.
pub(crate) struct Caller {
    client: reqwest::Client,
    server: SocketAddr,
    headers: Vec<(&'static str, String)>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Page {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// What it holds.
    pub(crate) text: String,
}

impl Page {
    /// What it holds, if that is JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header's value; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

impl Caller {
    /// Somebody without a token.
    pub(crate) fn of(worker: &Worker) -> Self {
        let server = worker.operations().expect("the operations server listens");
        let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { client, server, headers: Vec::new() }
    }

    /// With another header.
    pub(crate) fn with(&self, name: &'static str, value: impl Into<String>) -> Self {
        let mut headers = self.headers.clone();
        headers.push((name, value.into()));
        Self { client: self.client.clone(), server: self.server, headers }
    }

    /// With a token.
    pub(crate) fn bearing(&self, token: &str) -> Self {
        self.with("authorization", format!("Bearer {token}"))
    }

    /// Where the server is.
    pub(crate) fn server(&self) -> SocketAddr {
        self.server
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Page {
        self.call(Method::POST, path, Some(("application/json", body.to_string()))).await
    }

    /// Sends a form, its fields written as they go over the wire.
    pub(crate) async fn submit(&self, path: &str, fields: &str) -> Page {
        self.call(Method::POST, path, Some(("application/x-www-form-urlencoded", fields.to_owned()))).await
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<(&str, String)>) -> Page {
        let mut request = self.client.request(method, format!("http://{}{path}", self.server));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind).body(body);
        }
        let answer = request.send().await.expect("the operations server answers");
        let (status, headers) = (answer.status(), answer.headers().clone());
        Page { status, headers, text: answer.text().await.unwrap() }
    }
}

/// Has a worker take a token of each role, its name and value being the role's word.
pub(crate) fn ask_for_tokens(config: &mut Config) {
    "127.0.0.1:0".clone_into(&mut config.http.listen);
    let token = |role: ConsoleRole| ConsoleToken { name: role.as_str().into(), role, sha256: digest_of(role.as_str()) };
    config.http.tokens = ConsoleRole::ALL.map(token).into();
}
