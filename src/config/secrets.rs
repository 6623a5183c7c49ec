//! Secrets: which keys are secret, how they are read from files of their own, and what of a URL may be shown.

use std::path::{Path, PathBuf};

use reqwest::Url;
use toml::Value;

use super::findings::{Findings, named};
use super::layers::{self, Given, Layer, Source};

const SECRETS: [&str; 9] = [
    "broker.url",
    "broker.producer_url",
    "broker.operator_url",
    "broker.management_url",
    "database.url",
    "cache.url",
    "http.oidc_client_secret",
    "otlp.authorization",
    "webhooks.key",
];
/// No secret of ours, and yet not to be shown: what proves the sender to a receiver may stand in its URL.
const HIDDEN: [&str; 1] = ["webhooks.targets"];
const FILE: &str = "_file";
const LARGEST_SECRET: u64 = 64 * 1024;

/// The user that an AMQP URL logs in as. `None` if it is no URL.
#[must_use]
pub fn amqp_user(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    // What RabbitMQ's own clients do with a URL that names nobody.
    if url.username().is_empty() { Some("guest".to_owned()) } else { percent_decoded(url.username()) }
}

/// What of a URL may be shown: no user, no password, no parameters. For a cluster, of each of its URLs.
#[must_use]
pub fn redact(urls: &str) -> String {
    let shown = |url: &str| {
        let url = Url::parse(url).ok()?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path()))
    };
    let shown: Option<Vec<_>> = urls.split(',').map(shown).collect();
    shown.map_or_else(|| "a URL that cannot be read".to_owned(), |urls| urls.join(","))
}

/// The file with the key that a PostgreSQL URL names. Its client takes the key itself as well.
pub(super) fn key_file(url: &str) -> Option<PathBuf> {
    let url = Url::parse(url).ok()?;
    let (_, key) = url.query_pairs().filter(|(name, _)| matches!(&**name, "sslkey" | "ssl-key")).last()?;
    let is_file = !key.is_empty() && !key.trim_start().starts_with("-----BEGIN");
    is_file.then(|| PathBuf::from(key.into_owned()))
}

pub(super) fn is_secret(key: &str) -> bool {
    SECRETS.contains(&key)
}

/// Whether a key's value is not to be shown.
pub(super) fn is_hidden(key: &str) -> bool {
    is_secret(key) || HIDDEN.contains(&key)
}

/// Whether a key may stand in a layer.
pub(super) fn is_known(key: &str, defaults: &Layer) -> bool {
    defaults.contains_key(key) || key.strip_suffix(FILE).is_some_and(is_secret)
}

/// Puts the content of secret files in the place of their names. Yields every file that holds a secret.
pub(super) fn resolve(layer: &mut Layer, findings: &mut Findings) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for key in SECRETS {
        let inline = layer.get(key).map(|given| given.source.clone());
        if let Some(Source::File(path)) = &inline {
            files.push(path.clone());
        }
        let file_key = format!("{key}{FILE}");
        let Some(given) = layer.remove(&file_key) else { continue };
        let subject = named(&file_key, &given);
        if inline.is_some() {
            layer.remove(key);
            findings.refuse(key, &subject, format!("{key} is given as well; only one of both can count"));
            continue;
        }
        let path = given.value.as_str().map(PathBuf::from).ok_or_else(|| "must be the name of a file".to_owned());
        match path.and_then(|path| Ok((secret(&path)?, path))) {
            Ok((value, path)) => {
                layer.insert(key.to_owned(), Given { value: Value::String(value), source: given.source });
                files.push(path);
            }
            Err(problem) => findings.refuse(key, &subject, problem),
        }
    }
    files
}

/// Editors and `echo` end a file with a newline; no secret does.
fn secret(path: &Path) -> Result<String, String> {
    let mut text = layers::read(path, LARGEST_SECRET)?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if let (b'%', [high, low, tail @ ..]) = (first, tail)
            && let (Some(high), Some(low)) = (char::from(*high).to_digit(16), char::from(*low).to_digit(16))
        {
            bytes.push(u8::try_from(high * 16 + low).ok()?);
            rest = tail;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{amqp_user, redact};

    #[test]
    fn the_user_of_an_amqp_url_is_percent_decoded() {
        assert_eq!(amqp_user("amqp://join-worker:x@h/%2f").as_deref(), Some("join-worker"));
        assert_eq!(amqp_user("amqps://a%40b%2fc:x@h").as_deref(), Some("a@b/c"));
        assert_eq!(amqp_user("amqp://localhost").as_deref(), Some("guest"));
        assert_eq!(amqp_user("nonsense"), None);
    }

    #[test]
    fn of_a_url_neither_user_nor_password_nor_parameters_are_shown() {
        assert_eq!(redact("amqp://u:p@h:5673/%2f?auth=s"), "amqp://h:5673/%2f");
        assert_eq!(redact("postgres://u@h/db?password=s#f"), "postgres://h/db");
        assert_eq!(redact("redis://:p@a:1/0,redis://:p@b:2/0"), "redis://a:1/0,redis://b:2/0");
        for unreadable in ["p@ss", "redis://:p,q@h", "amqp://u:p/q@h"] {
            assert_eq!(redact(unreadable), "a URL that cannot be read");
        }
    }
}
