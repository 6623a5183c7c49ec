//! Where the services are: the variables that `scripts/services env` prints.

use std::collections::BTreeMap;

use join_community::config::{self, Config};

/// A variable of the environment; without it the test fails and says what to do.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `scripts/services up && eval \"$(scripts/services env)\"`"))
}

/// The configuration of this environment with some values laid over it: `("DATABASE__URL", …)`.
pub(crate) fn config(values: &[(&str, &str)]) -> Config {
    for required in ["BROKER__URL", "DATABASE__URL", "CACHE__URL"] {
        variable(&format!("JOIN_COMMUNITY__{required}"));
    }
    let mut environment: BTreeMap<String, String> =
        std::env::vars().filter(|(name, _)| name.starts_with("JOIN_COMMUNITY__")).collect();
    for (name, value) in values {
        environment.insert(format!("JOIN_COMMUNITY__{name}"), (*value).to_owned());
    }
    config::load(None, environment)
        .unwrap_or_else(|findings| panic!("the test's configuration is refused:\n{findings}"))
}
