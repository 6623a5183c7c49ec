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
    use crate::cli::check::told::{configured, said};

    #[tokio::test]
    async fn a_collector_that_does_not_answer_is_a_warning_and_none_is_fine() {
        let none = said(&look(&configured(&[])).await);
        assert!(none.starts_with("ok      collector"), "{none}");
        let config = configured(&[("JOIN_COMMUNITY__OTLP__ENDPOINT", "http://127.0.0.1:1")]);
        let out = said(&look(&config).await);
        assert!(out.starts_with("warning collector does not take what is sent: http://127.0.0.1:1"), "{out}");
    }
}
