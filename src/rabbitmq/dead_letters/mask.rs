//! Takes tokens out of what is shown. Separate, because it is the last gate before a terminal, a file or the console.

use std::borrow::Cow;

/// Stands where a token stood.
pub(super) const MASKED: &str = "(masked)";

/// Words in the name of a header whose value is a secret.
const SECRET: [&str; 7] = ["authorization", "token", "cookie", "secret", "password", "api-key", "apikey"];

/// Whether a header of this name holds a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|word| name.contains(word))
}

/// The text without the tokens in it: whatever is written like a JWT.
#[must_use]
pub fn mask(text: &str) -> Cow<'_, str> {
    /// Every JWT begins so: `{"` in base64.
    const BEGIN: &str = "eyJ";
    if !text.contains(BEGIN) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(BEGIN) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|character| !is_part_of_token(character)).unwrap_or(from.len());
        let (token, after) = from.split_at(end);
        shown.push_str(before);
        shown.push_str(if token.contains('.') { MASKED } else { token });
        rest = after;
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

fn is_part_of_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | '=')
}

#[cfg(test)]
mod tests {
    use super::{is_secret, mask};

    #[test]
    fn a_token_is_masked_wherever_it_stands() {
        for (text, shown) in [
            ("plain", "plain"),
            ("Bearer eyJhbGci.eyJzdWIi.c2ln-_", "Bearer (masked)"),
            (r#"{"a":"eyJh.eyJb.c","b":"eyJx"}"#, r#"{"a":"(masked)","b":"eyJx"}"#),
            ("eyJh.eyJb eyJc.d", "(masked) (masked)"),
        ] {
            assert_eq!(mask(text), shown);
        }
    }

    #[test]
    fn a_header_is_secret_by_its_name_in_any_case() {
        for secret in ["authorization", "Authorization", "X-Auth-Token", "Proxy-Authorization", "Set-Cookie"] {
            assert!(is_secret(secret), "{secret}");
        }
        assert!(!is_secret("traceparent"));
    }
}
