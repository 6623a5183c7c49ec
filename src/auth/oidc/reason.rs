//! The words for why a login or a token of an issuer does not do, beside those of [`refusal`]: constants, for log, record and
//! page. They say nothing that whoever failed does not know.

use crate::auth::refusal;

/// The token has expired.
pub const TOKEN_EXPIRED: &str = "TOKEN_EXPIRED";
/// The token was made for another login.
pub const TOKEN_NONCE: &str = "TOKEN_NONCE";
/// The token was made for another client.
pub const TOKEN_PARTY: &str = "TOKEN_PARTY";
/// The issuer does not take the code: it is spent, too old, or another login's.
pub const CODE_REFUSED: &str = "CODE_REFUSED";
/// No such login was begun in this browser, or it is over.
pub const LOGIN_UNKNOWN: &str = "LOGIN_UNKNOWN";
/// The issuer let nobody in.
pub const LOGIN_DENIED: &str = "LOGIN_DENIED";
/// Another issuer answered.
pub const LOGIN_ISSUER: &str = "LOGIN_ISSUER";

/// What a word says to people.
#[must_use]
pub fn meaning(reason: &str) -> &'static str {
    match reason {
        refusal::TOKEN_MALFORMED => "this is no token that can be read",
        refusal::TOKEN_ALGORITHM => "the token is not signed in an allowed algorithm",
        refusal::TOKEN_KEY_UNKNOWN => "the issuer has no such key as the token is signed with",
        refusal::TOKEN_SIGNATURE => "the token's signature is wrong",
        refusal::TOKEN_CLAIMS => "the token lacks a claim, or has one of the wrong type",
        refusal::TOKEN_ISSUER => "the token is from another issuer",
        refusal::TOKEN_AUDIENCE => "the token is for somebody else",
        refusal::TOKEN_NOT_YET_VALID => "the token is not valid yet",
        TOKEN_EXPIRED => "the token has expired",
        TOKEN_NONCE => "the token was made for another login",
        TOKEN_PARTY => "the token was made for another client",
        CODE_REFUSED => "the issuer does not take the code of this login",
        LOGIN_UNKNOWN => "this login was not begun in this browser, is over already, or took longer than ten minutes",
        LOGIN_DENIED => "the issuer let nobody in",
        LOGIN_ISSUER => "another issuer answered than the one that was asked",
        _ => "it proves nobody",
    }
}
