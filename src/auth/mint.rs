//! Development keys, and session tokens signed with them, so that a newcomer can try tokens without an issuer.
//!
//! Separate from the checking of tokens: the worker itself holds no key that tokens are signed with.

mod algorithm;
mod store;

use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::error::Unspecified;
use jsonwebtoken::jwk::{Jwk, JwkSet, ThumbprintHash};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde::Serialize;
use time::OffsetDateTime;

pub use algorithm::Algorithm;

use crate::domain::{Caller, RequestId, SiteId};

/// What a token says.
#[derive(Clone, Debug)]
pub struct TokenClaims {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// `siteId`.
    pub site: SiteId,
    /// `identityType` and `sub`.
    pub caller: Caller,
    /// `permissions`.
    pub permissions: Vec<String>,
    /// `exp`, cut to seconds.
    pub expires_at: OffsetDateTime,
    /// `nbf`, cut to seconds.
    pub not_before: Option<OffsetDateTime>,
    /// `request_id`: the one request that the token is good for.
    pub request_id: Option<RequestId>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The directory of the keys cannot be used.
    #[error("{} cannot be used", path.display())]
    Io {
        /// File or directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A private key is damaged.
    #[error("{} is no private key for {algorithm}; delete it, and a new one is made", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What it is for.
        algorithm: Algorithm,
        /// What is wrong.
        #[source]
        source: jsonwebtoken::errors::Error,
    },
    /// There is a JWKS that was not made here, perhaps one that a worker relies on.
    #[error("{} exists, but no private key beside it; name another directory for development keys", .0.display())]
    Foreign(PathBuf),
    /// The system yields no key.
    #[error("no key could be made for {0}")]
    Generate(Algorithm, #[source] Unspecified),
    /// The claims cannot be signed.
    #[error("the token could not be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// A key for each algorithm, kept in a directory with their JWKS.
pub struct DevelopmentKeys {
    keys: Vec<SigningKey>,
    jwks: PathBuf,
    created: bool,
}

struct SigningKey {
    encoding: EncodingKey,
    public: Jwk,
    kid: String,
}

impl DevelopmentKeys {
    /// The keys in `directory`; those that are not there are made. Any number of processes may do so at once.
    ///
    /// # Errors
    /// If the directory cannot be used or what is in it is damaged.
    pub fn load_or_create(directory: &Path) -> Result<Self, MintError> {
        store::load_or_create(directory)
    }

    /// A token, in its compact form.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub fn token(&self, claims: &TokenClaims, algorithm: Algorithm) -> Result<String, MintError> {
        self.token_under(claims, algorithm, self.kid(algorithm))
    }

    /// A token that names a key of the caller's choice.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub fn token_under(&self, claims: &TokenClaims, algorithm: Algorithm, kid: &str) -> Result<String, MintError> {
        self.sign(&Payload::new(claims), algorithm, Some(kid))
    }

    /// Any payload, under any `kid` or none: for tokens that are to be refused.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub fn sign<T: Serialize>(
        &self,
        payload: &T,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> Result<String, MintError> {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm.jwt()) };
        encode(&header, payload, &self.key(algorithm).encoding).map_err(MintError::Sign)
    }

    /// The name of the key for an algorithm.
    #[must_use]
    pub fn kid(&self, algorithm: Algorithm) -> &str {
        &self.key(algorithm).kid
    }

    /// The file with the public keys: what `auth.jwks` is to be set to.
    #[must_use]
    pub fn jwks_path(&self) -> &Path {
        &self.jwks
    }

    /// Whether keys were made just now.
    #[must_use]
    pub const fn created(&self) -> bool {
        self.created
    }

    /// New keys that are kept nowhere.
    #[cfg(test)]
    pub(super) fn unsaved() -> Self {
        let key =
            |algorithm: Algorithm| SigningKey::parse(algorithm, algorithm.generate().unwrap().as_bytes()).unwrap();
        Self { keys: Algorithm::ALL.map(key).into(), jwks: PathBuf::new(), created: true }
    }

    /// Any payload under any header.
    #[cfg(test)]
    pub(super) fn sign_under(&self, header: &Header, payload: &serde_json::Value) -> String {
        let key = Algorithm::ALL.into_iter().find(|algorithm| algorithm.jwt() == header.alg).unwrap();
        encode(header, payload, &self.key(key).encoding).unwrap()
    }

    /// The public halves.
    pub(super) fn public(&self) -> JwkSet {
        JwkSet { keys: self.keys.iter().map(|key| key.public.clone()).collect() }
    }

    fn key(&self, algorithm: Algorithm) -> &SigningKey {
        // The store puts one key for each algorithm, in this order.
        &self.keys[algorithm as usize]
    }
}

impl SigningKey {
    /// Reads a private key; its name is its thumbprint, so that a new key never takes an old one's name.
    fn parse(algorithm: Algorithm, pem: &[u8]) -> Result<Self, jsonwebtoken::errors::Error> {
        let encoding = match algorithm {
            Algorithm::Rs256 => EncodingKey::from_rsa_pem(pem),
            Algorithm::Es256 => EncodingKey::from_ec_pem(pem),
            Algorithm::EdDsa => EncodingKey::from_ed_pem(pem),
        }?;
        let mut public = Jwk::from_encoding_key(&encoding, algorithm.jwt())?;
        let kid = public.thumbprint(ThumbprintHash::SHA256)?;
        public.common.key_id = Some(kid.clone());
        public.common.public_key_use = Some(jsonwebtoken::jwk::PublicKeyUse::Signature);
        Ok(Self { encoding, public, kid })
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    sub: String,
    #[serde(rename = "siteId")]
    site_id: String,
    #[serde(rename = "identityType")]
    identity_type: &'static str,
    permissions: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl<'a> Payload<'a> {
    fn new(claims: &'a TokenClaims) -> Self {
        Self {
            iss: &claims.issuer,
            aud: &claims.audience,
            iat: OffsetDateTime::now_utc().unix_timestamp(),
            exp: claims.expires_at.unix_timestamp(),
            nbf: claims.not_before.map(OffsetDateTime::unix_timestamp),
            sub: claims.caller.id.to_string(),
            site_id: claims.site.to_string(),
            identity_type: claims.caller.identity_type.as_str(),
            permissions: &claims.permissions,
            request_id: claims.request_id.as_ref().map(RequestId::as_str),
        }
    }
}
