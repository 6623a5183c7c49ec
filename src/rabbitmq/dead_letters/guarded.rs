//! A dead letter as it is shown to whoever need not know whom it is about: without tokens, as everywhere, and without
//! personal data. Separate, because here nothing is shown unless it is known to be harmless.

use std::borrow::Cow;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::letter::Letter;
use super::mask::{MASKED, mask};
use super::shown::Summary;

/// Fields of a request that hold ids, words or flags, and nothing of a person.
const KNOWN_FIELDS: [&str; 8] =
    ["siteId", "memberId", "identity", "identityType", "anonymousVisitorId", "wixUserId", "appId", "elevated"];
/// Headers that the broker or this worker writes, or that hold ids of traces.
const KNOWN_HEADERS: [&str; 7] =
    ["x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count", "traceparent", "tracestate"];
const OWN_HEADERS: &str = "x-join-community-";
/// Longest word that is one of ours.
const LONGEST_WORD: usize = 32;

impl Letter {
    /// As a line of the list, tokens and personal data masked.
    #[must_use]
    pub fn guarded_summary(&self) -> Summary<'_> {
        let tidy = |text: Cow<'_, str>| Cow::Owned(without_personal_data(&text).into_owned());
        let summary = self.summary();
        Summary { request_id: summary.request_id.map(tidy), pointer: summary.pointer.map(tidy), ..summary }
    }

    /// As JSON, tokens and personal data masked.
    #[must_use]
    pub fn guarded(&self) -> Value {
        let mut shown = match serde_json::to_value(self.whole()) {
            Ok(Value::Object(shown)) => shown,
            Ok(_) | Err(_) => Map::new(),
        };
        let own = self.written_by_worker;
        for (name, value) in &mut shown {
            match name.as_str() {
                "body" => *value = value.as_str().map_or(Value::Null, |text| body(text).into()),
                "bodyHex" => *value = MASKED.into(),
                "headers" => guard_headers(value, own),
                _ => guard(value),
            }
        }
        Value::Object(shown)
    }
}

/// A request id as it is shown: a producer may have made it of a token, or of an address.
#[must_use]
pub fn shown_id(id: &str) -> String {
    without_personal_data(&mask(id)).into_owned()
}

/// Free text without what is written like an e-mail address or a telephone number.
#[must_use]
pub fn without_personal_data(text: &str) -> Cow<'_, str> {
    if !text.contains(['@', '+']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(without_numbers(&without_addresses(text)))
}

fn without_addresses(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('@') {
        let begin = before.rfind(|character| !is_part_of_address(character)).map_or(0, |last| next_char(before, last));
        let end = after.find(|character| !is_part_of_address(character)).unwrap_or(after.len());
        shown.push_str(&before[..begin]);
        shown.push_str(MASKED);
        rest = &after[end..];
    }
    shown.push_str(rest);
    shown
}

/// Only those that begin with a plus: others could as well be parts of an id or a time.
fn without_numbers(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('+') {
        let end = after.find(|character| !is_part_of_number(character)).unwrap_or(after.len());
        let (number, behind) = after.split_at(end);
        shown.push_str(before);
        if number.bytes().filter(u8::is_ascii_digit).count() >= 7 {
            shown.push_str(MASKED);
        } else {
            shown.push('+');
            shown.push_str(number);
        }
        rest = behind;
    }
    shown.push_str(rest);
    shown
}

fn next_char(text: &str, at: usize) -> usize {
    at + text[at..].chars().next().map_or(0, char::len_utf8)
}

fn is_part_of_address(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '.' | '_' | '%' | '+' | '-' | '\'' | '~' | '!' | '#' | '&' | '*')
}

fn is_part_of_number(character: char) -> bool {
    character.is_ascii_digit() || matches!(character, ' ' | '(' | ')' | '-' | '.' | '/')
}

fn guard_headers(headers: &mut Value, written_by_worker: bool) {
    let Some(headers) = headers.as_object_mut() else { return };
    let taken = std::mem::take(headers);
    for (name, mut value) in taken {
        let known = KNOWN_HEADERS.iter().any(|known| name.starts_with(known));
        if known || (written_by_worker && name.starts_with(OWN_HEADERS)) {
            guard(&mut value);
        } else {
            value = MASKED.into();
        }
        headers.insert(without_personal_data(&name).into_owned(), value);
    }
}

/// Masks in every text of a value that is known to be harmless otherwise.
fn guard(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(masked) = without_personal_data(text) {
                *text = masked;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(guard),
        Value::Object(values) => values.values_mut().for_each(guard),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The body: of JSON, the fields of a request with the ids and words that belong there; of anything else, nothing.
fn body(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => serde_json::to_string_pretty(&fields(value)).unwrap_or_else(|_| MASKED.to_owned()),
        Err(_) => MASKED.to_owned(),
    }
}

fn fields(value: Value) -> Value {
    match value {
        Value::Object(values) => {
            let shown = values.into_iter().map(|(name, value)| {
                let known = KNOWN_FIELDS.contains(&name.as_str());
                if known { (name, fields(value)) } else { (MASKED.to_owned(), MASKED.into()) }
            });
            Value::Object(shown.collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(fields).collect()),
        Value::String(text) if is_id_or_word(&text) => mask(&text).into_owned().into(),
        Value::String(_) | Value::Number(_) => MASKED.into(),
        Value::Null | Value::Bool(_) => value,
    }
}

/// A GUID, or a word like `ANONYMOUS_VISITOR`.
fn is_id_or_word(text: &str) -> bool {
    let is_word = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    (is_word && text.len() <= LONGEST_WORD) || (text.len() == 36 && Uuid::try_parse(text).is_ok())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{body, guard_headers, without_personal_data};

    #[test]
    fn of_a_body_only_ids_words_and_flags_of_a_request_are_shown() {
        let id = "7d368843-6f0c-4037-8d0e-b7e36a8a0c32";
        let sent = json!({
            "siteId": id, "memberId": "jane@example.com", "elevated": true, "identity": { "identityType": "MEMBER",
            "memberId": 12_025_550_142_u64 }, "contact": { "phones": ["+1 202 555 0142"] }, "jane@example.com": 1
        });
        let shown: Value = serde_json::from_str(&body(&sent.to_string())).unwrap();
        let masked = "(masked)";
        let expected = json!({
            "siteId": id, "memberId": masked, "elevated": true, "identity": { "identityType": "MEMBER",
            "memberId": masked }, masked: masked
        });
        assert_eq!(shown, expected);
        assert_eq!(body("{ jane@example.com"), masked);
    }

    #[test]
    fn an_address_or_a_number_is_masked_wherever_it_stands_in_a_text() {
        for (text, shown) in [
            ("plain 2026-11-24T10:00:00.123Z", "plain 2026-11-24T10:00:00.123Z"),
            ("/contact/jane.doe+x@example.com/0", "/contact/(masked)/0"),
            ("call +1 (202) 555-0142, soon", "call (masked), soon"),
            ("é@b and 1+1", "(masked) and 1+1"),
            ("@", "(masked)"),
        ] {
            assert_eq!(without_personal_data(text), shown);
        }
    }

    #[test]
    fn headers_of_strangers_are_masked_and_so_are_ours_unless_the_worker_wrote_them() {
        let headers = json!({ "x-name": "Jane", "x-join-community-error": "of a@b.c", "x-delivery-count": 3 });
        for (by_worker, error) in [(true, "of (masked)"), (false, "(masked)")] {
            let mut shown = headers.clone();
            guard_headers(&mut shown, by_worker);
            let expected = json!({ "x-name": "(masked)", "x-join-community-error": error, "x-delivery-count": 3 });
            assert_eq!(shown, expected);
        }
    }
}
