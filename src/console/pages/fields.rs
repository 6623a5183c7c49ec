//! The fields of forms, read as what they are to be.

use std::collections::HashMap;
use std::str::FromStr;

use crate::console::failure::Failure;

/// The fields of a form, by name.
pub(super) type Fields = HashMap<String, String>;

/// What a field holds; nothing if it is not there.
pub(super) fn text<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map(|value| value.trim()).unwrap_or_default()
}

/// A number, if one is given.
pub(super) fn number<Number: FromStr>(fields: &Fields, name: &str) -> Result<Option<Number>, Failure> {
    let given = Some(text(fields, name)).filter(|text| !text.is_empty());
    given.map(|text| text.parse().map_err(|_| Failure::Invalid(format!("`{name}` is to be a number")))).transpose()
}
