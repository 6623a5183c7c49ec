//! The fields of forms, read as what they are to be.

use std::collections::HashMap;
use std::str::FromStr;

use serde::Deserialize;

use crate::console::failure::Failure;

/// The field that names letters: one, or several with spaces between them.
pub(super) const IDS: &str = "ids";

/// The fields of a form, by name.
pub(super) type Fields = HashMap<String, String>;

/// The same of a form by which letters are chosen: each box that was ticked sends a field of its own, named like the others.
#[derive(Debug, Deserialize)]
#[serde(from = "Vec<(String, String)>")]
pub(super) struct Chosen(pub(super) Fields);

impl From<Vec<(String, String)>> for Chosen {
    fn from(sent: Vec<(String, String)>) -> Self {
        let mut fields = Fields::new();
        for (name, value) in sent {
            if name == IDS {
                let ids = fields.entry(name).or_default();
                format!("{ids} {value}").trim().clone_into(ids);
            } else {
                fields.insert(name, value);
            }
        }
        Self(fields)
    }
}

/// What a field holds; nothing if it is not there.
pub(super) fn text<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map(|value| value.trim()).unwrap_or_default()
}

/// A number, if one is given.
pub(super) fn number<Number: FromStr>(fields: &Fields, name: &str) -> Result<Option<Number>, Failure> {
    let given = Some(text(fields, name)).filter(|text| !text.is_empty());
    given.map(|text| text.parse().map_err(|_| Failure::Invalid(format!("`{name}` is to be a number")))).transpose()
}

#[cfg(test)]
mod tests {
    use super::{Chosen, text};

    #[test]
    fn boxes_of_one_name_are_one_choice() {
        let sent = [("ids", "a"), ("why", "x"), ("ids", "b"), ("ids", ""), ("ids", "c"), ("why", "y")];
        let Chosen(fields) = Chosen::from(sent.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
        assert_eq!(fields["ids"], "a b c");
        assert_eq!(text(&fields, "why"), "y");
    }
}
