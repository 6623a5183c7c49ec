//! How a duration is written in a configuration. Separate, because every section uses it.

use std::fmt;
use std::time::Duration;

use serde::Deserializer;
use serde::de::{Error, Visitor};

struct Words;

impl Visitor<'_> for Words {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration like \"20s\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        let parsed = humantime::parse_duration(text);
        parsed.map_err(|error| E::custom(format!("expected a duration like \"20s\": {error}")))
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(Words)
}

/// Several of them.
pub(super) mod list {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer};

    #[derive(Deserialize)]
    struct One(#[serde(deserialize_with = "super::deserialize")] Duration);

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Duration>, D::Error> {
        Ok(Vec::<One>::deserialize(deserializer)?.into_iter().map(|One(duration)| duration).collect())
    }
}
