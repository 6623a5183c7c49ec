//! The signature of a token, by the keys that are held. Separate, because tokens of callers and tokens of operators are
//! verified by the same lines.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::decode_header;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use super::claims::Object;
use super::key_set::{ALLOWED, Key, Lookup};
use super::keys::Keys;
use super::refusal;

/// Why claims are not known to be the issuer's.
pub(super) enum Unsigned {
    /// Waiting cannot change that.
    Refused(&'static str),
    /// No set was read yet.
    NoSet,
    /// The set whose read began then lacks the key that is meant; the word is for when no newer one has it either.
    Lacking { reason: &'static str, as_of: OffsetDateTime },
}

/// The claims of a token that one of the issuer's keys has signed.
pub(super) fn signed<T: DeserializeOwned>(token: &str, keys: &Keys) -> Result<T, Unsigned> {
    let header = decode_header(token).map_err(|_| Unsigned::Refused(refusal::TOKEN_MALFORMED))?;
    if header.crit.is_some() {
        // It names extensions that must be understood; none is.
        return Err(Unsigned::Refused(refusal::TOKEN_MALFORMED));
    }
    if !ALLOWED.contains(&header.alg) {
        return Err(Unsigned::Refused(refusal::TOKEN_ALGORITHM));
    }
    let held = keys.held();
    let Some(held) = held.as_deref() else { return Err(Unsigned::NoSet) };
    let lacking = |reason| Unsigned::Lacking { reason, as_of: held.as_of };
    let key = match held.set.find(header.kid.as_deref(), header.alg) {
        Lookup::Found(key) => key,
        Lookup::OtherAlgorithm => return Err(Unsigned::Refused(refusal::TOKEN_ALGORITHM)),
        Lookup::Unknown => return Err(lacking(refusal::TOKEN_KEY_UNKNOWN)),
    };
    claims(token, key).map_err(|reason| match reason {
        // A key that was only guessed, for want of a name, may not be the one that is meant.
        refusal::TOKEN_SIGNATURE if header.kid.is_none() => lacking(reason),
        reason => Unsigned::Refused(reason),
    })
}

/// The claims, which stand between header and signature. That is checked here, what they say elsewhere.
fn claims<T: DeserializeOwned>(token: &str, key: &Key) -> Result<T, &'static str> {
    let malformed = refusal::TOKEN_MALFORMED;
    let (signed, signature) = token.rsplit_once('.').ok_or(malformed)?;
    let (_, claims) = signed.split_once('.').ok_or(malformed)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed)?;
    if !key.has_signed(signed.as_bytes(), &signature) {
        return Err(refusal::TOKEN_SIGNATURE);
    }
    let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| malformed)?;
    let Object(claims) = serde_json::from_slice(&claims).map_err(|_| refusal::TOKEN_CLAIMS)?;
    Ok(claims)
}
