//! The keys that session tokens are verified with.

use super::finding::{Finding, Findings};
use crate::auth::preflight;
use crate::config::Config;

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let mut found = Findings::of("keys");
    let jwks = &config.auth.jwks;
    if jwks.is_empty() {
        found.ok("no tokens are accepted", "auth.jwks is empty");
        return found.into_vec();
    }
    match preflight(jwks).await {
        Err(error) => found.failure("no keys can be read, so no request will be taken", &error),
        Ok(keys) if keys.usable == 0 => {
            let remedy = "publish a key for RS256, ES256 or EdDSA signatures, or no token will be accepted";
            found.error("no key can be used", &keys.place, remedy);
        }
        Ok(keys) => {
            found.ok("keys", format_args!("{} of {}", keys.usable, keys.place));
            if keys.skipped > 0 {
                let remedy = "they are not for RS256, ES256 or EdDSA signatures; tokens signed with them are refused";
                found.warning("some keys cannot be used", keys.skipped, remedy);
            }
        }
    }
    found.into_vec()
}
