//! JSON from strangers: one walk over a document that refuses what a lenient reader lets through.
//!
//! `serde_json` alone keeps the last of two equal keys in what it ignores, nests 127 levels deep and takes NUL in text.
//! Requests and imported members both need better, so the walk stands apart from what they look for.

mod keys;
mod path;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

pub(super) use self::keys::Key;
use self::keys::Keys;
pub(super) use self::path::Path;
use super::rule;

/// What is wrong with a document, and where. Never holds a value of the document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// JSON pointer (RFC 6901) to the place.
    pub(super) pointer: String,
    /// The same place in the dotted form that people write.
    pub(super) field: String,
    /// The broken rule.
    pub(super) rule: &'static str,
    /// What is wrong, and what would be right.
    pub(super) description: Cow<'static, str>,
}

impl Fault {
    /// A fault at `path`.
    pub(super) fn at(path: &Path<'_>, rule: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self { pointer: path.pointer(), field: path.dotted(), rule, description: description.into() }
    }
}

/// One value, as far as its kind matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// `null`.
    Null,
    /// A truth value.
    Flag(bool),
    /// A number; its value is nobody's business here.
    Number,
    /// Text, unescaped.
    Text(&'a str),
    /// An array; its elements follow.
    Array,
    /// An object; its fields follow.
    Object,
}

/// Whoever wants to know the values that the walk meets. A container comes before what it holds.
pub(super) trait Sink {
    /// Takes one value, or says what is wrong with it.
    fn value(&mut self, path: &Path<'_>, value: Value<'_>) -> Result<(), Fault>;
}

/// Walks over `bytes` in one pass: UTF-8, one JSON document, no key twice in an object, no NUL, at most `max_depth`
/// arrays and objects inside each other. Time and memory are linear in the length, whatever the bytes.
pub(super) fn walk(bytes: &[u8], max_depth: usize, sink: &mut impl Sink) -> Result<(), Fault> {
    let whole = |rule, description: Cow<'static, str>| Fault::at(&Path::Root, rule, description);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        whole(rule::UTF8, format!("must be UTF-8; it is not from byte {} on", error.valid_up_to()).into())
    })?;
    if text.starts_with('\u{feff}') {
        return Err(whole(rule::JSON, "must not start with a byte order mark".into()));
    }
    let mut fault = None;
    let mut json = serde_json::Deserializer::from_str(text);
    let walker = Walker { sink, fault: &mut fault, path: &Path::Root, room: max_depth };
    let outcome = walker.deserialize(&mut json).and_then(|()| json.end());
    match (fault, outcome) {
        (Some(fault), _) => Err(fault),
        (None, Ok(())) => Ok(()),
        // The reader's own errors are all about syntax; they name a place and never a value.
        (None, Err(error)) => Err(whole(rule::JSON, format!("must be one JSON document: {error}").into())),
    }
}

struct Walker<'w, S> {
    sink: &'w mut S,
    fault: &'w mut Option<Fault>,
    path: &'w Path<'w>,
    /// How many more levels fit.
    room: usize,
}

impl<S: Sink> Walker<'_, S> {
    fn meet<E: Error>(&mut self, value: Value<'_>) -> Result<(), E> {
        let met = self.sink.value(self.path, value);
        met.map_err(|fault| refuse(self.fault, fault))
    }

    fn descend<E: Error>(&mut self, container: Value<'_>) -> Result<usize, E> {
        let Some(room) = self.room.checked_sub(1) else {
            let deep = Fault::at(self.path, rule::MAX_DEPTH, "is nested too deeply: flatten the document");
            return Err(refuse(self.fault, deep));
        };
        self.meet(container)?;
        Ok(room)
    }
}

/// Keeps the fault, since an error of `serde` can carry nothing but text.
fn refuse<E: Error>(slot: &mut Option<Fault>, fault: Fault) -> E {
    *slot = Some(fault);
    E::custom("refused")
}

impl<'de, S: Sink> DeserializeSeed<'de> for Walker<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Sink> Visitor<'de> for Walker<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(mut self) -> Result<(), E> {
        self.meet(Value::Null)
    }

    fn visit_bool<E: Error>(mut self, flag: bool) -> Result<(), E> {
        self.meet(Value::Flag(flag))
    }

    fn visit_u64<E: Error>(mut self, _: u64) -> Result<(), E> {
        self.meet(Value::Number)
    }

    fn visit_i64<E: Error>(mut self, _: i64) -> Result<(), E> {
        self.meet(Value::Number)
    }

    fn visit_f64<E: Error>(mut self, _: f64) -> Result<(), E> {
        self.meet(Value::Number)
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        if text.contains('\0') {
            let nul = Fault::at(self.path, rule::FORMAT, "must not contain NUL (\\u0000)");
            return Err(refuse(self.fault, nul));
        }
        self.meet(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        let room = self.descend(Value::Array)?;
        for index in 0.. {
            let path = &Path::Index(self.path, index);
            let walker = Walker { sink: &mut *self.sink, fault: &mut *self.fault, path, room };
            if elements.next_element_seed(walker)?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<(), A::Error> {
        let room = self.descend(Value::Object)?;
        let mut keys = Keys::default();
        while let Some(key) = fields.next_key_seed(Key)? {
            let path = &Path::Key(self.path, &key);
            if key.contains('\0') {
                let nul = Fault::at(path, rule::FORMAT, "must not contain NUL (\\u0000) in its key");
                return Err(refuse(self.fault, nul));
            }
            if keys.contains(&key) {
                let twice = Fault::at(path, rule::DUPLICATE_KEY, "stands twice in its object: send it once");
                return Err(refuse(self.fault, twice));
            }
            fields.next_value_seed(Walker { sink: &mut *self.sink, fault: &mut *self.fault, path, room })?;
            keys.insert(key);
        }
        Ok(())
    }
}
