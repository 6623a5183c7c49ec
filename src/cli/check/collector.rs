//! The collector that traces and metrics are sent to. It never holds the worker up, so what is wrong with it is no error.

use secrecy::ExposeSecret as _;

use super::finding::{Finding, Findings};
use crate::config::Config;
use crate::operations::{Collector, Destination, PreflightError, preflight};
use crate::telemetry::chain;

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let mut found = Findings::of("collector");
    let otlp = &config.otlp;
    if otlp.endpoint.is_empty() {
        found.ok("nothing is sent to a collector", "otlp.endpoint is empty");
        return found.into_vec();
    }
    let authorization = otlp.authorization.expose_secret();
    let (endpoint, timeout) = (otlp.endpoint.as_str(), otlp.timeout);
    let nowhere = Destination::default();
    let (joins, leaves, events) = (nowhere, nowhere, nowhere);
    match preflight(Collector { endpoint, authorization, timeout, joins, leaves, events }).await {
        Ok(()) => found.ok("takes traces and metrics", endpoint),
        Err(PreflightError::Unusable(error)) => found.failure("cannot be used, so the worker does not start", &error),
        Err(error @ PreflightError::Refused(..)) => {
            let remedy = "it is an OpenTelemetry collector's otlp receiver for HTTP that is asked for; \
                          what it does not take is lost";
            found.warning("does not take what is sent", format_args!("{endpoint}: {}", chain(&error)), remedy);
        }
    }
    found.into_vec()
}

#[cfg(test)]
mod tests {
    use super::look;
    use crate::config::load;

    async fn said(endpoint: &str) -> String {
        let environment = [("JOIN_COMMUNITY__OTLP__ENDPOINT", endpoint)];
        let config = load(None, environment).unwrap_or_else(|findings| panic!("{findings}"));
        let lines: Vec<_> = look(&config).await.iter().map(ToString::to_string).collect();
        anstream::adapter::strip_str(&lines.join("\n")).to_string()
    }

    #[tokio::test]
    async fn a_collector_that_does_not_answer_is_a_warning_and_none_is_fine() {
        assert!(said("").await.starts_with("ok      collector"), "{}", said("").await);
        let out = said("http://127.0.0.1:1").await;
        assert!(out.starts_with("warning collector does not take what is sent: http://127.0.0.1:1"), "{out}");
    }
}
