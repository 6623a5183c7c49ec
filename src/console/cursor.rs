//! Where a search of the records ended, as text: one form for pages, API and command line, each of which goes on from there.

use crate::postgres::Edge;

/// The place as text.
pub(super) fn cursor_of((id, requester): &Edge) -> String {
    format!("{id} {requester}")
}

/// The place that a text names. No request id holds a space.
#[must_use]
pub fn edge_of(cursor: &str) -> Option<Edge> {
    let (id, requester) = cursor.split_once(' ')?;
    Some((id.to_owned(), requester.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{cursor_of, edge_of};

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let edge = ("id-1".to_owned(), "token:https://issuer.example:MEMBER:a name".to_owned());
        assert_eq!(edge_of(&cursor_of(&edge)), Some(edge));
        assert_eq!(edge_of("id-1"), None);
    }
}
