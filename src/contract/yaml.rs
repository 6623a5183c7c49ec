//! Writes YAML, of which this needs one form: blocks of keys and lists, texts quoted as JSON quotes them.
//!
//! Our own, because the crates that wrote YAML are unmaintained, and this is all that we need of it.

use std::fmt::Write as _;

use serde_json::Value;

/// The value as a YAML document.
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

/// Writes the parts of a container, each on lines of its own; anything else stands behind what leads to it.
fn block(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                indent(depth, out);
                out.push_str(&scalar(key));
                out.push(':');
                below(value, depth + 1, out);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                indent(depth, out);
                out.push('-');
                below(element, depth + 1, out);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&inline(value));
            out.push('\n');
        }
    }
}

/// What stands behind a key or a dash.
fn below(value: &Value, depth: usize, out: &mut String) {
    let is_block = match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    if is_block {
        out.push('\n');
        block(value, depth, out);
    } else {
        // Writing to a String cannot fail.
        writeln!(out, " {}", inline(value)).unwrap_or_default();
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        // What is empty looks the same in both languages, and so do numbers and words.
        Value::Object(_) | Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A text: bare where no reader of YAML could take it for anything else, else quoted. What JSON quotes, YAML reads.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_bare = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '.' | '/' | '-'))
        && !text.ends_with(' ')
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_bare { text.to_owned() } else { Value::from(text).to_string() }
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::text;

    #[test]
    fn containers_are_blocks_and_what_could_be_taken_for_something_else_is_quoted() {
        let value = json!({
            "plain words": ["a", 1, true, null, "true", "No", "1", "", "a: b", "a #b", "- a", "end ", "{", "é\n"],
            "$ref": "#/a/b",
            "nested": [{ "a": {}, "b": [] }, [["x"]]],
        });
        let expected = "\"$ref\": \"#/a/b\"\nnested:\n  -\n    a: {}\n    b: []\n  -\n    -\n      - x\nplain words:\n  - a\n  \
                        - 1\n  - true\n  - null\n  - \"true\"\n  - \"No\"\n  - \"1\"\n  - \"\"\n  - \"a: b\"\n  - \"a #b\"\n  \
                        - \"- a\"\n  - \"end \"\n  - \"{\"\n  - \"é\\n\"\n";
        assert_eq!(text(&value), expected);
    }
}
