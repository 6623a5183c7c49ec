//! The words for why a sender is not proven: constants, so that replies, logs and metric labels agree and stay few. Nouns,
//! because metrics know of nothing else; `auth` says which of them a request comes to.

/// There is neither a token nor a user whose word counts.
pub const NO_PROOF: &str = "NO_PROOF";
/// A trusted producer names no caller.
pub const UNKNOWN_IDENTITY: &str = "UNKNOWN_IDENTITY";
/// The producer that vouched for a copy is trusted no more.
pub const PRODUCER_WITHDRAWN: &str = "PRODUCER_WITHDRAWN";
/// The issuer whose token proved a copy is trusted no more.
pub const ISSUER_WITHDRAWN: &str = "ISSUER_WITHDRAWN";
/// A copy's own headers contradict each other or cannot be read.
pub const COPY_DAMAGED: &str = "COPY_DAMAGED";
/// No keys are configured, so no token is accepted.
pub const NO_KEYS_CONFIGURED: &str = "NO_KEYS_CONFIGURED";
/// The header `authorization` is no bearer token.
pub const TOKEN_MALFORMED: &str = "TOKEN_MALFORMED";
/// The token's algorithm is not allowed, or not the one of the key that it names.
pub const TOKEN_ALGORITHM: &str = "TOKEN_ALGORITHM";
/// The token names a key that the issuer does not have.
pub const TOKEN_KEY_UNKNOWN: &str = "TOKEN_KEY_UNKNOWN";
/// The signature is wrong.
pub const TOKEN_SIGNATURE: &str = "TOKEN_SIGNATURE";
/// A claim is missing or of the wrong type.
pub const TOKEN_CLAIMS: &str = "TOKEN_CLAIMS";
/// The token is from somebody else.
pub const TOKEN_ISSUER: &str = "TOKEN_ISSUER";
/// The token is for somebody else.
pub const TOKEN_AUDIENCE: &str = "TOKEN_AUDIENCE";
/// The token is not valid yet.
pub const TOKEN_NOT_YET_VALID: &str = "TOKEN_NOT_YET_VALID";
/// The token is for another site.
pub const TOKEN_SITE: &str = "TOKEN_SITE";
/// The token is for another request.
pub const TOKEN_REQUEST_ID: &str = "TOKEN_REQUEST_ID";
/// The body names another caller than the token.
pub const TOKEN_IDENTITY: &str = "TOKEN_IDENTITY";

/// Every word.
pub const ALL: [&str; 17] = [
    NO_PROOF,
    UNKNOWN_IDENTITY,
    PRODUCER_WITHDRAWN,
    ISSUER_WITHDRAWN,
    COPY_DAMAGED,
    NO_KEYS_CONFIGURED,
    TOKEN_MALFORMED,
    TOKEN_ALGORITHM,
    TOKEN_KEY_UNKNOWN,
    TOKEN_SIGNATURE,
    TOKEN_CLAIMS,
    TOKEN_ISSUER,
    TOKEN_AUDIENCE,
    TOKEN_NOT_YET_VALID,
    TOKEN_SITE,
    TOKEN_REQUEST_ID,
    TOKEN_IDENTITY,
];
