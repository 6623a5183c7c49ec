//! The claims of a session token, typed strictly. Separate, because a claim of the wrong type must never read as absent.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use time::OffsetDateTime;
use uuid::Uuid;

/// What a token claims. Read only after its signature was found right.
#[derive(serde::Deserialize)]
pub(super) struct Claims {
    #[serde(rename = "iss")]
    pub(super) issuer: String,
    #[serde(rename = "aud")]
    audience: Audience,
    exp: f64,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<f64>,
    #[serde(rename = "sub")]
    subject: String,
    #[serde(rename = "siteId")]
    site: String,
    #[serde(rename = "identityType", default, deserialize_with = "present")]
    pub(super) identity_type: Option<String>,
    #[serde(default, deserialize_with = "present")]
    permissions: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) request_id: Option<String>,
}

/// Whom a token is for.
#[derive(serde::Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    pub(super) fn holds(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().any(|one| one == audience),
        }
    }
}

impl Claims {
    pub(super) fn is_for(&self, audience: &str) -> bool {
        self.audience.holds(audience)
    }

    pub(super) fn is_premature(&self, at: OffsetDateTime, leeway: Duration) -> bool {
        self.nbf.is_some_and(|nbf| lies_ahead(nbf, at, leeway))
    }

    pub(super) fn has_expired(&self, at: OffsetDateTime, leeway: Duration) -> bool {
        is_over(self.exp, at, leeway)
    }

    pub(super) fn subject(&self) -> Option<Uuid> {
        guid(&self.subject)
    }

    pub(super) fn site(&self) -> Option<Uuid> {
        guid(&self.site)
    }

    pub(super) fn permits(&self, permission: &str) -> bool {
        self.permissions.iter().flatten().any(|held| held == permission)
    }
}

/// A JSON object read as `T`. Without it an array would do as well: serde reads a struct from either.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

/// Whether a moment that a token must not be older than is yet to come.
pub(super) fn lies_ahead(moment: f64, at: OffsetDateTime, leeway: Duration) -> bool {
    seconds(at) + leeway.as_secs_f64() < moment
}

/// Whether the moment up to which a token is good is over.
pub(super) fn is_over(expiry: f64, at: OffsetDateTime, leeway: Duration) -> bool {
    seconds(at) >= expiry + leeway.as_secs_f64()
}

/// Reads what is there as `T`, so that `null` is a wrong type and not an absence.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Only the form with dashes: the others that `uuid` reads are not what is on the wire.
fn guid(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

pub(super) fn seconds(at: OffsetDateTime) -> f64 {
    (at - OffsetDateTime::UNIX_EPOCH).as_seconds_f64()
}
