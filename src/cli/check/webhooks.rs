//! Webhooks: whether the key signs, and whether receivers can be reached. They are sent nothing.

use std::time::Duration;

use humantime::format_duration;

use super::finding::{Finding, Findings};
use crate::config::Config;
use crate::telemetry::chain;
use crate::webhooks::{Signer, place, reach};

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let mut found = Findings::of("webhooks");
    let webhooks = &config.webhooks;
    if !webhooks.are_on() {
        found.ok("no webhooks are sent", "webhooks.targets is empty");
        return found.into_vec();
    }
    match Signer::new(webhooks) {
        Ok(_) => found.ok("the key signs", "webhooks.key"),
        Err(error) => found.failure("the key cannot be used, so the worker does not start", &error),
    }
    for target in &webhooks.targets {
        // A URL that cannot be read was refused at start.
        let Some(place) = place(target) else { continue };
        let (name, shown) = (&target.name, &place.shown);
        match reach(&place, webhooks.timeout).await {
            Ok(()) => found.ok(format!("receiver {name} takes connections"), shown),
            Err(error) => {
                let remedy = "nothing else waits for it; its webhooks are tried again, and become dead letters at last";
                found.warning(
                    format!("receiver {name} cannot be reached"),
                    format_args!("{shown}: {}", chain(&error)),
                    remedy,
                );
            }
        }
        if place.is_open {
            let remedy = "webhooks hold personal data: use https://";
            found.warning(format!("what receiver {name} is sent can be read on the way"), shown, remedy);
        }
    }
    let span: Duration = webhooks.ladder.iter().sum();
    found.ok(
        "a webhook is given up after",
        format_args!("{} tries, {}", webhooks.ladder.len() + 1, format_duration(span)),
    );
    found.into_vec()
}

#[cfg(test)]
mod tests {
    use super::look;
    use crate::cli::check::told::{configured, said};

    #[tokio::test]
    async fn a_key_that_cannot_sign_is_an_error_and_a_receiver_that_is_out_a_warning() {
        let none = said(&look(&configured(&[])).await);
        assert!(none.starts_with("ok      webhooks  no webhooks are sent"), "{none}");
        let config = configured(&[
            ("JOIN_COMMUNITY__WEBHOOKS__TARGETS", r#"[{ name = "crm", url = "http://127.0.0.1:1/hunter2" }]"#),
            ("JOIN_COMMUNITY__WEBHOOKS__KEY", "hunter2"),
        ]);
        let said = said(&look(&config).await);
        assert!(said.contains("error   webhooks  the key cannot be used, so the worker does not start"), "{said}");
        assert!(
            said.contains("warning webhooks  receiver crm cannot be reached: http://127.0.0.1:1: nobody"),
            "{said}"
        );
        assert!(said.contains("a webhook is given up after: 13 tries, 1day 23h 11m"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}
