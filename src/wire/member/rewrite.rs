//! Rewrites a member's JSON into REST names by its shape, and checks the form of every known value on the way.
//!
//! Apart from the import, because it works on text: what it does not know goes through digit for digit.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::super::pen::{self, Object};
use super::super::strict::{Fault, Key, Path};
use super::super::{instant, rule};
use super::shape::{Field, Shape};

/// The fields of an object: their keys unescaped, their values as they stand.
pub(super) struct Entries<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Entries<'a> {
    /// Takes a field out, if it is there.
    pub(super) fn take(&mut self, name: &str) -> Option<&'a str> {
        let position = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(position).1.get())
    }
}

/// Appends `raw` in the form that `shape` says. `raw` has been walked: it is sound JSON.
pub(super) fn rewrite(raw: &str, shape: &Shape, path: &Path<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    match (shape, raw.as_bytes().first()) {
        (Shape::Text, Some(b'"')) | (Shape::Flag, Some(b't' | b'f')) | (Shape::Number, Some(b'-' | b'0'..=b'9')) => {
            squeeze(raw, out);
            Ok(())
        }
        (Shape::Guid | Shape::Instant | Shape::Word { .. }, Some(b'"')) => {
            let text: String = parsed(raw, path)?;
            check(&text, shape, path)?;
            pen::quote(&text, out);
            Ok(())
        }
        (Shape::List(element), Some(b'[')) => rewrite_list(raw, element, path, out),
        (Shape::Object(fields), Some(b'{')) => rewrite_object(raw, fields, path, out),
        (Shape::Text, _) => Err(Fault::at(path, rule::TYPE, "must be text")),
        (Shape::Guid | Shape::Instant | Shape::Word { .. }, _) => Err(Fault::at(path, rule::TYPE, expected(shape))),
        (Shape::Flag, _) => Err(Fault::at(path, rule::TYPE, "must be true or false")),
        (Shape::Number, _) => Err(Fault::at(path, rule::TYPE, "must be a number")),
        (Shape::List(_), _) => Err(Fault::at(path, rule::TYPE, "must be a list")),
        (Shape::Object(_), _) => Err(Fault::at(path, rule::TYPE, "must be an object")),
    }
}

/// Appends JSON without the space between its parts; numbers and texts stay as they are.
pub(in crate::wire) fn squeeze(raw: &str, out: &mut Vec<u8>) {
    let (mut in_text, mut is_escaped) = (false, false);
    for byte in raw.bytes() {
        if in_text || !byte.is_ascii_whitespace() {
            out.push(byte);
        }
        in_text ^= byte == b'"' && !is_escaped;
        is_escaped = in_text && byte == b'\\' && !is_escaped;
    }
}

/// Reads a part of the document that has been walked already.
pub(super) fn parsed<'a, T: Deserialize<'a>>(raw: &'a str, path: &Path<'_>) -> Result<T, Fault> {
    serde_json::from_str(raw).map_err(|_| Fault::at(path, rule::JSON, "cannot be read"))
}

fn rewrite_list(raw: &str, element: &Shape, path: &Path<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    out.push(b'[');
    for (index, raw) in parsed::<Vec<&RawValue>>(raw, path)?.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        rewrite(raw.get(), element, &Path::Index(path, index), out)?;
    }
    out.push(b']');
    Ok(())
}

fn rewrite_object(raw: &str, fields: &[Field], path: &Path<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut object = Object::open(out);
    let mut present = Vec::new();
    for (key, raw) in parsed::<Entries<'_>>(raw, path)?.0 {
        let known = fields.iter().find(|field| field.name == key || field.sdk_name == Some(&key));
        let Some(field) = known else {
            squeeze(raw.get(), object.foreign(&key));
            continue;
        };
        if raw.get() == "null" {
            continue;
        }
        let path = &Path::Key(path, &key);
        if present.contains(&field.name) {
            let twice = format!("stands twice, as `{}` and as `{}`", field.name, field.sdk_name.unwrap_or(field.name));
            return Err(Fault::at(path, rule::DUPLICATE_KEY, twice));
        }
        present.push(field.name);
        rewrite(raw.get(), &field.shape, path, object.value(field.name))?;
    }
    for field in fields.iter().filter(|field| !present.contains(&field.name)) {
        if let Some(default) = field.default {
            object.value(field.name).extend_from_slice(default.as_bytes());
        }
    }
    object.close();
    Ok(())
}

fn check(text: &str, shape: &Shape, path: &Path<'_>) -> Result<(), Fault> {
    let is_sound = match shape {
        Shape::Guid => text.len() == uuid::fmt::Hyphenated::LENGTH && Uuid::try_parse(text).is_ok(),
        Shape::Instant => instant::parse(text).is_some(),
        Shape::Word { knows, .. } => knows(text),
        Shape::Text | Shape::Flag | Shape::Number | Shape::List(_) | Shape::Object(_) => true,
    };
    if is_sound {
        return Ok(());
    }
    let description = match (shape, text) {
        (Shape::Word { .. }, "UNKNOWN") => {
            "must be a state; UNKNOWN is what a reader without the right to see it is shown: export with that right"
                .to_owned()
        }
        (shape, _) => expected(shape),
    };
    Err(Fault::at(path, rule::FORMAT, description))
}

fn expected(shape: &Shape) -> String {
    match shape {
        Shape::Guid => "must be a GUID of 36 characters, as text".to_owned(),
        Shape::Instant => "must be a time such as 2024-02-22T13:52:00.674Z, as text".to_owned(),
        Shape::Word { words, .. } => format!("must be one of {words}"),
        Shape::Text | Shape::Flag | Shape::Number | Shape::List(_) | Shape::Object(_) => String::new(),
    }
}

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key_seed(Key)? {
            entries.push((key, map.next_value()?));
        }
        Ok(Entries(entries))
    }
}
