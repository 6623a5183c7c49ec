//! The words of `violatedRule`: which rule a malformed request or member breaks.
//!
//! Apart, because producers sort by them: a word, once published, keeps its meaning.

/// Something required is missing.
pub const REQUIRED: &str = "REQUIRED";
/// A value of another JSON type is expected.
pub const TYPE: &str = "TYPE";
/// The value has the right type, but not the right form.
pub const FORMAT: &str = "FORMAT";
/// A text is too long.
pub const MAX_LENGTH: &str = "MAX_LENGTH";
/// The body is too large.
pub const MAX_SIZE: &str = "MAX_SIZE";
/// Arrays and objects are nested too deeply.
pub const MAX_DEPTH: &str = "MAX_DEPTH";
/// A key stands twice in one object.
pub const DUPLICATE_KEY: &str = "DUPLICATE_KEY";
/// The value is none of those that the field knows.
pub const UNKNOWN_VALUE: &str = "UNKNOWN_VALUE";
/// Of several fields exactly one may stand, and it is not so.
pub const ONE_OF: &str = "ONE_OF";
/// The body is not JSON.
pub const JSON: &str = "JSON";
/// The body is not UTF-8.
pub const UTF8: &str = "UTF8";
/// The request id was used for another request before.
pub const REQUEST_ID_REUSED: &str = "REQUEST_ID_REUSED";

/// Every word.
pub const ALL: [&str; 12] = [
    REQUIRED,
    TYPE,
    FORMAT,
    MAX_LENGTH,
    MAX_SIZE,
    MAX_DEPTH,
    DUPLICATE_KEY,
    UNKNOWN_VALUE,
    ONE_OF,
    JSON,
    UTF8,
    REQUEST_ID_REUSED,
];
