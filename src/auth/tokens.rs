//! Session tokens: from the header `authorization` to a proven caller. Separate, because every check stands in one row here.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::claims::Claims;
use super::keys::Keys;
use super::signed::{Unsigned, signed};
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
        signed(token, &self.keys).map_err(|unsigned| match unsigned {
            Unsigned::Refused(reason) => Doubt::Refused(reason),
            Unsigned::NoSet => {
                self.keys.ask();
                Doubt::NoKeys
            }
            Unsigned::Lacking { reason, as_of } => self.doubt(reason, as_of, arrived),
        })
    }

    /// A key that the set lacks is known to be missing only if the set was read after the request arrived. Another worker
    /// may have written down when that was, by a clock that differs from ours.
    fn doubt(&self, reason: &'static str, as_of: OffsetDateTime, arrived: OffsetDateTime) -> Doubt {
        let surely_arrived = arrived + self.leeway;
        if as_of >= surely_arrived {
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
