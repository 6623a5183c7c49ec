//! The claims of an operator's token. Separate from a caller's: the standard names fewer of them, and one name is configured.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::auth::claims::{Audience, is_over, lies_ahead, present, seconds};

/// What the standard allows a `sub` to have.
const LONGEST_SUBJECT: usize = 255;
/// Longer than any session.
const LONGEST_LEFT: f64 = 1e9;

/// What a token claims. Read only after its signature was found right.
#[derive(Deserialize)]
pub(super) struct Claims {
    #[serde(rename = "iss")]
    pub(super) issuer: String,
    #[serde(rename = "aud")]
    pub(super) audience: Audience,
    exp: f64,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<f64>,
    #[serde(default, deserialize_with = "present")]
    iat: Option<f64>,
    #[serde(rename = "sub")]
    subject: String,
    #[serde(default, deserialize_with = "present")]
    pub(super) nonce: Option<String>,
    #[serde(rename = "azp", default, deserialize_with = "present")]
    party: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Claims {
    pub(super) fn is_premature(&self, at: OffsetDateTime, leeway: Duration) -> bool {
        [self.nbf, self.iat].into_iter().flatten().any(|moment| lies_ahead(moment, at, leeway))
    }

    pub(super) fn has_expired(&self, at: OffsetDateTime, leeway: Duration) -> bool {
        is_over(self.exp, at, leeway)
    }

    /// How long it is until it has.
    pub(super) fn left(&self, at: OffsetDateTime, leeway: Duration) -> Duration {
        let left = self.exp + leeway.as_secs_f64() - seconds(at);
        Duration::try_from_secs_f64(left.clamp(0.0, LONGEST_LEFT)).unwrap_or_default()
    }

    /// Who it is, if that can stand in a log and in a record.
    pub(super) fn subject(&self) -> Option<&str> {
        let subject = self.subject.as_str();
        let fits =
            (1..=LONGEST_SUBJECT).contains(&subject.len()) && subject.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then_some(subject)
    }

    /// Whether a login by this client may use it: one that is for several has to name the client that asked.
    pub(super) fn authorizes(&self, client: &str) -> bool {
        match (&self.party, &self.audience) {
            (Some(party), _) => party == client,
            (None, Audience::One(_)) => true,
            (None, Audience::Several(several)) => several.len() == 1,
        }
    }

    /// What a claim of roles holds: the claim of that name, or else what dots lead to. A text is one value, a list of
    /// texts several, anything else none.
    pub(super) fn held(&self, name: &str) -> Vec<String> {
        let inner = || {
            let mut parts = name.split('.');
            let first = self.others.get(parts.next()?)?;
            parts.try_fold(first, |value, part| value.get(part))
        };
        match self.others.get(name).or_else(inner) {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => Vec::new(),
        }
    }
}
