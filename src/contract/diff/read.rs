//! Reads a contract from what a path named: the `AsyncAPI` document, or one schema file.

use serde_json::Value;

use crate::contract::schemas::SentBy;

/// Why something is no contract.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// It is no JSON.
    #[error("is no JSON: give a folder of `contract export --out`, its asyncapi.json, or one of its schemas")]
    NoJson(#[source] serde_json::Error),
    /// It is JSON of another kind.
    #[error(
        "is neither an AsyncAPI 3 document nor a schema that says `{}`: give what `contract export --out` writes",
        SentBy::KEYWORD
    )]
    Strange,
}

/// One side of a comparison.
#[derive(Clone, Debug)]
pub enum Contract {
    /// A whole contract.
    Document(Value),
    /// One schema, and who sends what it describes.
    Schema(SentBy, Value),
}

impl Contract {
    /// Reads the text of an `AsyncAPI` document or of a schema file.
    ///
    /// # Errors
    /// If it is neither.
    pub fn parse(text: &str) -> Result<Self, DiffError> {
        let value: Value = serde_json::from_str(text).map_err(DiffError::NoJson)?;
        if value.get("asyncapi").and_then(Value::as_str).is_some_and(|version| version.starts_with("3.")) {
            return Ok(Self::Document(value));
        }
        let sent_by = value.get(SentBy::KEYWORD).and_then(Value::as_str).and_then(SentBy::parse);
        sent_by.map(|sent_by| Self::Schema(sent_by, value)).ok_or(DiffError::Strange)
    }

    /// The contract that this program speaks.
    #[must_use]
    pub fn spoken() -> Self {
        Self::Document(crate::contract::document())
    }
}
