//! The issuer of session tokens that the tests trust: development keys, kept for all tests beside their binary.

use std::path::Path;
use std::time::Duration;

use join_community::auth::mint::{Algorithm, DevelopmentKeys, TokenClaims};
use join_community::config::Config;
use join_community::domain::{Caller, IdentityType, SiteId};
use time::OffsetDateTime;
use uuid::Uuid;

/// The permission to act for others.
pub(crate) const PERMISSION: &str = "MEMBERS.MEMBER_JOIN_COMMUNITY";

/// An issuer.
pub(crate) struct Issuer {
    /// Its keys.
    pub(crate) keys: DevelopmentKeys,
    name: &'static str,
}

impl Issuer {
    /// The one issuer.
    pub(crate) fn new() -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("issuer");
        let keys = DevelopmentKeys::load_or_create(&directory).expect("development keys");
        Self { keys, name: "https://issuer.test" }
    }

    /// Makes a worker trust it.
    pub(crate) fn trusted_by(&self, config: &mut Config) {
        config.auth.jwks = self.keys.jwks_path().display().to_string();
        self.name.clone_into(&mut config.auth.issuer);
        "join-community".clone_into(&mut config.auth.audience);
        config.auth.leeway = Duration::from_secs(5);
    }

    /// What a sound token says of a caller without permissions.
    pub(crate) fn claims(&self, site: Uuid, identity_type: IdentityType, id: Uuid) -> TokenClaims {
        TokenClaims {
            issuer: self.name.to_owned(),
            audience: "join-community".to_owned(),
            site: SiteId(site),
            caller: Caller { identity_type, id },
            permissions: Vec::new(),
            expires_at: OffsetDateTime::now_utc() + Duration::from_mins(10),
            not_before: None,
            request_id: None,
        }
    }

    /// A token.
    pub(crate) fn token(&self, claims: &TokenClaims) -> String {
        self.keys.token(claims, Algorithm::Rs256).expect("a token")
    }
}
