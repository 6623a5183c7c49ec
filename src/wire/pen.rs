//! Writes JSON objects piece by piece into a buffer: fixed field order, no tree in between, the same bytes every time.
//!
//! Apart, because requests, members, profiles and events are all written with it, on the busiest path there is.

use time::OffsetDateTime;
use uuid::Uuid;

use super::instant;
use crate::domain::Json;

/// An object being written. Field names are ours and need no escaping.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    /// Opens an object.
    pub(super) fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_empty: true }
    }

    /// Closes it.
    pub(super) fn close(self) {
        self.out.push(b'}');
    }

    /// A text, escaped.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        quote(value, self.value(name));
    }

    /// A text of ours that needs no escaping: a word, a number.
    pub(super) fn word(&mut self, name: &str, value: &str) {
        let out = self.value(name);
        out.push(b'"');
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    }

    /// A truth value.
    pub(super) fn flag(&mut self, name: &str, value: bool) {
        self.value(name).extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// A GUID in lower case.
    pub(super) fn guid(&mut self, name: &str, value: Uuid) {
        self.word(name, value.hyphenated().encode_lower(&mut [0; uuid::fmt::Hyphenated::LENGTH]));
    }

    /// An instant.
    pub(super) fn instant(&mut self, name: &str, value: OffsetDateTime) {
        let out = self.value(name);
        out.push(b'"');
        instant::write(value, out);
        out.push(b'"');
    }

    /// JSON from our own record, as it stands there. `null` is what a foreign writer calls absent.
    pub(super) fn json(&mut self, name: &str, value: &Json) {
        if value.0.trim() != "null" {
            self.value(name).extend_from_slice(value.0.trim().as_bytes());
        }
    }

    /// The fields of another object. What is no object has none.
    pub(super) fn splice(&mut self, fields: &Json) {
        let inner = fields.0.trim().strip_prefix('{').and_then(|fields| fields.strip_suffix('}'));
        if let Some(inner) = inner.map(str::trim).filter(|inner| !inner.is_empty()) {
            self.separate();
            self.out.extend_from_slice(inner.as_bytes());
        }
    }

    /// A value that the caller appends.
    pub(super) fn value(&mut self, name: &str) -> &mut Vec<u8> {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// A value under a key that is not ours: the key is escaped.
    pub(super) fn foreign(&mut self, key: &str) -> &mut Vec<u8> {
        self.separate();
        quote(key, self.out);
        self.out.push(b':');
        self.out
    }

    fn separate(&mut self) {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
    }
}

/// Appends a text in quotes, escaped.
pub(super) fn quote(value: &str, out: &mut Vec<u8>) {
    // Text written into memory cannot fail: the result is that of writers that can.
    serde_json::to_writer(out, value).ok();
}
