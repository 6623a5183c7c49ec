//! The issuer that names operators. The worker takes requests without it, and its console lets nobody of it in meanwhile.

use super::finding::{Finding, Findings};
use crate::auth::preflight_issuer;
use crate::config::Config;

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let mut found = Findings::of("issuer");
    let http = &config.http;
    if http.oidc_issuer.is_empty() {
        found.ok("no issuer names operators", "http.oidc_issuer is empty");
        return found.into_vec();
    }
    let issuer = match preflight_issuer(&http.oidc_issuer).await {
        Ok(issuer) => issuer,
        Err(error) => {
            found.failure("discovery document or keys cannot be read, so nobody of it gets in", &error);
            return found.into_vec();
        }
    };
    if issuer.keys.usable == 0 {
        let remedy = "it has to sign with RS256, ES256 or EdDSA, or none of its tokens will be accepted";
        found.error("no key can be used", &issuer.keys.place, remedy);
    } else {
        found.ok("discovery document and keys", format_args!("{} of {}", issuer.keys.usable, issuer.keys.place));
    }
    let browsers = !http.oidc_client_id.is_empty();
    if browsers && !issuer.logs_in {
        let remedy = "it has to name authorization_endpoint and token_endpoint, with https:// beyond the loopback";
        found.error("browsers cannot log in there", &issuer.keys.place, remedy);
    }
    if browsers && !issuer.logs_out {
        let remedy = "the console ends its own sessions alone: whoever shares a browser has to log out there as well";
        found.warning("it names no end_session_endpoint", &issuer.keys.place, remedy);
    }
    if browsers && !issuer.binds_codes {
        let remedy = "the console sends a challenge all the same; see whether the issuer holds codes to it";
        found.warning("the issuer does not say that it knows PKCE (S256)", &issuer.keys.place, remedy);
    }
    found.into_vec()
}

#[cfg(test)]
mod tests {
    use super::look;
    use crate::cli::check::told::{configured, said};

    #[tokio::test]
    async fn an_issuer_that_does_not_answer_is_an_error_and_none_is_fine() {
        assert!(said(&look(&configured(&[])).await).starts_with("ok      issuer    no issuer names operators"));
        let config = configured(&[
            ("JOIN_COMMUNITY__HTTP__OIDC_ISSUER", "http://127.0.0.1:1"),
            ("JOIN_COMMUNITY__HTTP__OIDC_AUDIENCE", "console"),
            ("JOIN_COMMUNITY__HTTP__OIDC_ROLES", r#"[{ value = "ops", role = "operator" }]"#),
        ]);
        let out = said(&look(&config).await);
        assert!(out.starts_with("error   issuer    discovery document or keys cannot be read"), "{out}");
        assert!(out.contains("http://127.0.0.1:1/.well-known/openid-configuration"), "{out}");
    }
}
