//! Untrusted text made fit for a terminal: JSON indented as it stands, control characters escaped. Separate, because
//! reading JSON into values would hide what makes it malformed, such as a key given twice.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::cli::print::visible;

/// The body in lines for people: indented if it is JSON, escaped throughout.
pub(super) fn body(text: &str) -> String {
    let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
    let laid_out = if is_json { Cow::Owned(indent(text)) } else { Cow::Borrowed(text) };
    let lines: Vec<_> = laid_out.lines().map(|line| format!("  {}", visible(line))).collect();
    lines.join("\n")
}

/// The body as it is given to an editor: indented if it is JSON, nothing escaped.
pub(super) fn editable(text: &str) -> Cow<'_, str> {
    let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
    if is_json { Cow::Owned(indent(text) + "\n") } else { Cow::Borrowed(text) }
}

/// Valid JSON with a line for each member and element; nothing but white space differs.
fn indent(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut rest = json.chars().peekable();
    while let Some(character) = rest.next() {
        if in_string {
            out.push(character);
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        match character {
            '{' | '[' => {
                out.push(character);
                while rest.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(close) = rest.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(character);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            other if other.is_ascii_whitespace() => {}
            other => {
                in_string = other == '"';
                out.push(other);
            }
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    /// Further right, a line would say no more, and could become as long as the text is deep.
    const DEEPEST: usize = 16;
    out.push('\n');
    out.push_str(&"  ".repeat(depth.min(DEEPEST)));
}

#[cfg(test)]
mod tests {
    use super::{body, indent};

    #[test]
    fn json_is_indented_and_nothing_in_it_is_lost() {
        let json = r#"{ "a":[1, 2,{}], "a": "x,{\"y\"}\\", "b":{"c":null },"d":[ ] }"#;
        let laid_out = indent(json);
        let expected = "{\n  \"a\": [\n    1,\n    2,\n    {}\n  ],\n  \"a\": \"x,{\\\"y\\\"}\\\\\",\n  \"b\": {\n    \"c\": null\n  },\n  \"d\": []\n}";
        assert_eq!(laid_out, expected);
    }

    #[test]
    fn what_is_no_json_is_shown_as_it_stands_and_steers_no_terminal() {
        assert_eq!(body("{\"a\u{1b}[2J"), "  {\"a\\u{1b}[2J");
        assert_eq!(body("one\r\ntwo\u{7}"), "  one\n  two\\u{7}");
        assert_eq!(body("{\"a\":\"\u{202e}\"}"), "  {\n    \"a\": \"\\u{202e}\"\n  }");
    }

    #[test]
    fn depth_does_not_make_the_text_grow_beyond_all_bounds() {
        let deep = "[".repeat(120) + "1" + &"]".repeat(120);
        assert!(body(&deep).len() < 120 * 100);
    }
}
