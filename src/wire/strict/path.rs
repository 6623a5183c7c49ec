//! A place in a document: a chain on the stack that becomes text only when something is wrong there.
//!
//! Apart, because its text leaves the process (headers, replies, logs) while its keys come from a stranger.

/// How much of a key is shown, in bytes, escapes included: the deepest place still fits a message header.
const SHOWN: usize = 64;

/// The way from the document to one of its values.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) enum Path<'a> {
    /// The document itself.
    Root,
    /// A field of an object.
    Key(&'a Path<'a>, &'a str),
    /// An element of an array.
    Index(&'a Path<'a>, usize),
}

impl Path<'_> {
    /// The place as JSON pointer (RFC 6901). Keys are cut and made harmless, and so may not lead back exactly.
    pub(super) fn pointer(&self) -> String {
        match self {
            Path::Root => String::new(),
            Path::Key(parent, key) => {
                format!("{}/{}", parent.pointer(), harmless(key).replace('~', "~0").replace('/', "~1"))
            }
            Path::Index(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }

    /// The place as people write it: `contact.phones[0]`; the document is `body`, a key without a letter `""`.
    pub(super) fn dotted(&self) -> String {
        match self {
            Path::Root => "body".to_owned(),
            Path::Key(Path::Root, key) => legible(key),
            Path::Key(parent @ (Path::Key(..) | Path::Index(..)), key) => {
                format!("{}.{}", parent.dotted(), legible(key))
            }
            Path::Index(parent, index) => format!("{}[{index}]", parent.dotted()),
        }
    }
}

fn legible(key: &str) -> String {
    if key.is_empty() { "\"\"".to_owned() } else { harmless(key) }
}

/// A key without anything that could break a line, colour a terminal or turn the direction of text.
fn harmless(key: &str) -> String {
    let mut shown = String::new();
    for character in key.chars() {
        if shown.len() >= SHOWN {
            shown.push('…');
            break;
        }
        if character.is_ascii_graphic() {
            shown.push(character);
        } else {
            shown.extend(character.escape_debug());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::Path;

    #[test]
    fn a_place_reads_as_pointer_and_as_dotted_name() {
        let contact = Path::Key(&Path::Root, "contact");
        let phones = Path::Key(&contact, "phones");
        let second = Path::Index(&phones, 1);
        assert_eq!((second.pointer().as_str(), second.dotted().as_str()), ("/contact/phones/1", "contact.phones[1]"));
        assert_eq!((Path::Root.pointer().as_str(), Path::Root.dotted().as_str()), ("", "body"));
        assert_eq!(Path::Key(&Path::Root, "a/b~c").pointer(), "/a~1b~0c");
        let empty = Path::Key(&Path::Root, "");
        assert_eq!((empty.pointer().as_str(), empty.dotted().as_str()), ("/", "\"\""));
        assert_eq!(Path::Key(&contact, "").dotted(), "contact.\"\"");
    }

    #[test]
    fn a_hostile_key_is_cut_and_made_harmless() {
        let key = format!("\u{1b}[31m\n\u{202e}\u{200b}é{}", "x".repeat(1000));
        let shown = Path::Key(&Path::Root, &key).pointer();
        assert!(shown.starts_with("/\\u{1b}[31m\\n\\u{202e}\\u{200b}éx"), "{shown}");
        assert!(shown.ends_with("x…") && shown.len() < 80, "{shown}");
        let unprintable = Path::Key(&Path::Root, &"\u{10ffff}".repeat(1000)).pointer();
        assert!(unprintable.ends_with("}…") && unprintable.len() < 80, "{unprintable}");
        assert_eq!(Path::Key(&Path::Root, &"x".repeat(64)).pointer().len(), 65);
    }
}
