//! Session tokens: from the header `authorization` to a proven caller. Separate, because every check stands in one row here.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use time::OffsetDateTime;

use super::claims::{Claims, Object};
use super::key_set::{ALLOWED, Key, Lookup};
use super::keys::{Held, Keys};
use super::{Doubt, Proven, refusal};
use crate::domain::{Caller, IdentityType, Proof, Requester};
use crate::wire::request::{Claim, Decoded};

/// The permission to act for others.
pub(super) const JOIN_FOR_OTHERS: &str = "MEMBERS.MEMBER_JOIN_COMMUNITY";

/// Longest header that is looked into.
const MAX_LENGTH: usize = 8 * 1024;

/// How tokens are judged.
pub(super) struct Tokens {
    pub(super) keys: Arc<Keys>,
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) leeway: Duration,
}

/// The two moments that a token is judged by.
#[derive(Clone, Copy)]
pub(super) struct Moments {
    /// The token has to be valid at this moment.
    pub(super) judged_at: OffsetDateTime,
    /// Keys read before this moment, give or take what clocks differ by, say nothing of a key that they lack.
    pub(super) arrived: OffsetDateTime,
}

impl Tokens {
    /// Proves the caller by the header `authorization`, against what the request says.
    pub(super) fn prove(&self, header: &str, decoded: &Decoded, moments: Moments) -> Result<Proven, Doubt> {
        let token = bearer(header).ok_or(Doubt::Refused(refusal::TOKEN_MALFORMED))?;
        let claims = self.verify(token, moments.arrived)?;
        self.judge(&claims, decoded, moments.judged_at).map_err(Doubt::Refused)
    }

    /// The claims of a token that one of the issuer's keys has signed.
    fn verify(&self, token: &str, arrived: OffsetDateTime) -> Result<Claims, Doubt> {
        let header = decode_header(token).map_err(|_| Doubt::Refused(refusal::TOKEN_MALFORMED))?;
        if header.crit.is_some() {
            // It names extensions that must be understood; none is.
            return Err(Doubt::Refused(refusal::TOKEN_MALFORMED));
        }
        if !ALLOWED.contains(&header.alg) {
            return Err(Doubt::Refused(refusal::TOKEN_ALGORITHM));
        }
        let held = self.keys.held();
        let Some(held) = held.as_deref() else {
            self.keys.ask();
            return Err(Doubt::NoKeys);
        };
        let key = match held.set.find(header.kid.as_deref(), header.alg) {
            Lookup::Found(key) => key,
            Lookup::OtherAlgorithm => return Err(Doubt::Refused(refusal::TOKEN_ALGORITHM)),
            Lookup::Unknown => return Err(self.doubt(refusal::TOKEN_KEY_UNKNOWN, held, arrived)),
        };
        match signed_claims(token, key) {
            Ok(claims) => Ok(claims),
            // A key that was only guessed, for want of a name, may not be the one that is meant.
            Err(refusal::TOKEN_SIGNATURE) if header.kid.is_none() => {
                Err(self.doubt(refusal::TOKEN_SIGNATURE, held, arrived))
            }
            Err(reason) => Err(Doubt::Refused(reason)),
        }
    }

    /// A key that the set lacks is known to be missing only if the set was read after the request arrived. Another worker
    /// may have written down when that was, by a clock that differs from ours.
    fn doubt(&self, reason: &'static str, held: &Held, arrived: OffsetDateTime) -> Doubt {
        let surely_arrived = arrived + self.leeway;
        if held.as_of >= surely_arrived {
            return Doubt::Refused(reason);
        }
        self.keys.ask_again_at(surely_arrived);
        Doubt::NoKeys
    }

    /// Holds true claims against the configuration, the request and the clock. Expiry comes last: it is a finding about
    /// a token that is valid otherwise.
    fn judge(&self, claims: &Claims, decoded: &Decoded, at: OffsetDateTime) -> Result<Proven, &'static str> {
        if claims.issuer != self.issuer {
            return Err(refusal::TOKEN_ISSUER);
        }
        if !claims.is_for(&self.audience) {
            return Err(refusal::TOKEN_AUDIENCE);
        }
        if claims.is_premature(at, self.leeway) {
            return Err(refusal::TOKEN_NOT_YET_VALID);
        }
        let caller = caller(claims)?;
        if claims.site().ok_or(refusal::TOKEN_CLAIMS)? != decoded.body.site.0 {
            return Err(refusal::TOKEN_SITE);
        }
        if claims.request_id.as_deref().is_some_and(|id| id != decoded.id.as_str()) {
            return Err(refusal::TOKEN_REQUEST_ID);
        }
        if decoded.body.identity.as_ref().is_some_and(|identity| !names(identity, caller)) {
            return Err(refusal::TOKEN_IDENTITY);
        }
        let permission = claims.permits(JOIN_FOR_OTHERS);
        let expired = claims.has_expired(at, self.leeway);
        let requester = Requester::token(&self.issuer, caller);
        Ok(Proven { caller, requester, proof: Proof::Token { permission, expired } })
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "whatever else is wrong with a token, it is wrong with its form")]
fn signed_claims(token: &str, key: &Key) -> Result<Claims, &'static str> {
    let mut validation = Validation::new(key.algorithm);
    // Signature and form are checked there, the claims here: the moment to judge by cannot be handed over.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    match decode::<Object<Claims>>(token, &key.decoding, &validation) {
        Ok(token) => Ok(token.claims.0),
        Err(error) => Err(match error.kind() {
            ErrorKind::InvalidSignature => refusal::TOKEN_SIGNATURE,
            ErrorKind::Json(_) | ErrorKind::Utf8(_) => refusal::TOKEN_CLAIMS,
            _ => refusal::TOKEN_MALFORMED,
        }),
    }
}

fn caller(claims: &Claims) -> Result<Caller, &'static str> {
    let word = claims.identity_type.as_deref().ok_or(refusal::UNKNOWN_IDENTITY)?;
    let identity_type = IdentityType::parse(word).ok_or(refusal::UNKNOWN_IDENTITY)?;
    Ok(Caller { identity_type, id: claims.subject().ok_or(refusal::TOKEN_CLAIMS)? })
}

fn names(identity: &Claim, caller: Caller) -> bool {
    match identity {
        Claim::Caller(named) => *named == caller,
        Claim::Unknown => false,
    }
}

/// The token in a header `Bearer <token>`.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    let fits = header.len() <= MAX_LENGTH && scheme.eq_ignore_ascii_case("bearer") && !token.is_empty();
    fits.then_some(token)
}
