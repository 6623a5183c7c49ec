//! What each layer gives, flat: `section.key` → value and where it came from. Flat, because laying one layer over
//! another is then laying one map over another, and every finding can name its origin.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::findings::Findings;
use super::secrets;

const DEFAULTS: &str = include_str!("../../config/default.toml");
const PREFIX: &str = "JOIN_COMMUNITY__";
/// A configuration is a page or two; whatever is larger is another file, given by mistake.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Where a value came from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// `config/default.toml`.
    Default,
    /// The file given by `--config`.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// A value and its origin.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) value: Value,
    pub(super) source: Source,
}

/// The values of one layer, or of several laid over each other, by `section.key`.
pub(super) type Layer = BTreeMap<String, Given>;

/// The built-in layer. It holds every key, so it says what keys there are.
pub(super) fn defaults(findings: &mut Findings) -> Layer {
    parse(DEFAULTS, &Source::Default, findings)
}

/// The layer of a file.
pub(super) fn file(path: &Path, findings: &mut Findings) -> Layer {
    let source = Source::File(path.to_owned());
    match read(path, LARGEST_FILE) {
        Ok(text) => parse(&text, &source, findings),
        Err(problem) => {
            findings.add(&source, problem);
            Layer::new()
        }
    }
}

/// The text of a small file, or what is wrong with it. Files are read at start and by no untrusted name; the limit is
/// against mistakes such as `/dev/zero`.
pub(super) fn read(path: &Path, largest: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(largest + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > largest {
        return Err(format!("is larger than {largest} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

/// The layer of the environment: variables named like `JOIN_COMMUNITY__SECTION__KEY`.
pub(super) fn environment<K: Into<OsString>, V: Into<OsString>>(
    variables: impl IntoIterator<Item = (K, V)>,
    known: &Layer,
    findings: &mut Findings,
) -> Layer {
    let mut layer = Layer::new();
    for (name, text) in variables {
        let name = name.into().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        // Only upper case, so that no two variables can mean one key.
        let key = rest.replacen("__", ".", 1).to_ascii_lowercase();
        if rest.chars().any(|letter| letter.is_ascii_lowercase()) || !secrets::is_known(&key, known) {
            findings.add(&name, format!("is no key of the configuration; variables are named {PREFIX}SECTION__KEY"));
            continue;
        }
        let text = text.into().into_string().map_err(|_| "UTF-8");
        match text.and_then(|text| typed(text, known.get(&key).map(|given| &given.value))) {
            Ok(value) => drop(layer.insert(key, Given { value, source: Source::Variable(name) })),
            Err(expected) => findings.refuse(&key, &format_args!("{key} ({name})"), format!("expected {expected}")),
        }
    }
    layer
}

/// A variable's text as the type that its key has by default. Text stays what it is: a password `0123` is no number.
fn typed(text: String, like: Option<&Value>) -> Result<Value, &'static str> {
    let parsed = text.parse::<Value>().ok();
    if like.is_some_and(Value::is_array) {
        parsed.filter(Value::is_array).ok_or("a list in TOML's inline form, like [\"a\", \"b\"]")
    } else if like.is_some_and(Value::is_bool) {
        parsed.filter(Value::is_bool).ok_or("true or false")
    } else if like.is_some_and(Value::is_integer) {
        parsed.filter(Value::is_integer).ok_or("a whole number")
    } else if like.is_some_and(Value::is_float) {
        parsed.filter(|value| value.is_float() || value.is_integer()).ok_or("a number")
    } else {
        Ok(Value::String(text))
    }
}

fn parse(text: &str, source: &Source, findings: &mut Findings) -> Layer {
    let mut layer = Layer::new();
    let table: Table = match toml::from_str(text) {
        Ok(table) => table,
        Err(error) => {
            // Only the message: the error's own display quotes the line, and a password may stand in it.
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            findings.add(source, format!("is no TOML, line {line}: {}", error.message()));
            return layer;
        }
    };
    for (section, content) in table {
        let given = |value| Given { value, source: source.clone() };
        if let Value::Table(keys) = content {
            if keys.is_empty() {
                // Kept, so that an unknown section is seen even without keys.
                layer.insert(section.clone(), given(Value::Table(Table::new())));
            }
            layer.extend(keys.into_iter().map(|(key, value)| (format!("{section}.{key}"), given(value))));
        } else {
            findings.add(&section, format!("stands in no section ({source})"));
        }
    }
    layer
}
