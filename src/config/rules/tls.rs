//! Files of certificates and keys: that they can be read, belong together, and that a connection makes use of them.

use std::path::Path;

use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};

use super::Report;
use crate::config::{Config, layers};

/// All authorities of a system take a quarter of it.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Files that a PostgreSQL URL names, and how it says what is to be verified: by each name that its client knows.
const FILES: [&str; 7] = ["sslrootcert", "ssl-root-cert", "ssl-ca", "sslcert", "ssl-cert", "sslkey", "ssl-key"];
const MODE: [&str; 2] = ["sslmode", "ssl-mode"];

/// What a file holds: in words, and the lines of which one begins it.
type Content = (&'static str, &'static [&'static str]);
const CERTIFICATE: Content = ("certificate in PEM", &["-----BEGIN CERTIFICATE-----"]);
const KEY: Content = (
    "private key without passphrase in PEM",
    &["-----BEGIN PRIVATE KEY-----", "-----BEGIN EC PRIVATE KEY-----", "-----BEGIN RSA PRIVATE KEY-----"],
);

pub(super) fn apply(config: &Config, report: &mut Report<'_>) {
    database(&config.database.url, report);
    let (broker, cache) = (&config.broker, &config.cache);
    let broker_speaks = speaks_tls(&broker.url, "amqps");
    let files = [
        ("broker.ca_file", &broker.ca_file, CERTIFICATE, "broker.url", broker_speaks),
        ("broker.client_cert_file", &broker.client_cert_file, CERTIFICATE, "broker.url", broker_speaks),
        ("broker.client_key_file", &broker.client_key_file, KEY, "broker.url", broker_speaks),
        ("cache.ca_file", &cache.ca_file, CERTIFICATE, "cache.url", speaks_tls(&cache.url, "rediss")),
    ];
    for (key, file, content, url, is_used) in files {
        if !is_given(file) {
            continue;
        }
        if let Some(problem) = problem(file, content) {
            report.refuse(key, problem);
        }
        if !is_used {
            let reason = "it does not speak TLS, so nothing would be encrypted and nobody proven";
            report.refuse_beside(key, "is of no use with", url, reason);
        }
    }
    let [certificate, key] = [&broker.client_cert_file, &broker.client_key_file].map(|file| is_given(file));
    if certificate && !key {
        let reason = "whoever shows a certificate must prove that it is theirs";
        report.refuse_beside("broker.client_cert_file", "is of no use without", "broker.client_key_file", reason);
    }
    if key && !certificate {
        let reason = "a key proves nothing but a certificate";
        report.refuse_beside("broker.client_key_file", "is of no use without", "broker.client_cert_file", reason);
    }
}

/// With any other mode whoever answers is believed, whatever the files say.
fn database(url: &SecretString, report: &mut Report<'_>) {
    let Ok(url) = Url::parse(url.expose_secret()) else { return };
    let is_named = url.query_pairs().any(|(name, _)| FILES.contains(&&*name));
    // The last one counts.
    let mode = url.query_pairs().filter(|(name, _)| MODE.contains(&&**name)).last();
    let verifies = mode.is_some_and(|(_, mode)| {
        ["verify-full", "verify-ca"].iter().any(|verifying| mode.eq_ignore_ascii_case(verifying))
    });
    if is_named && !verifies {
        let rule =
            "must hold sslmode=verify-full (or verify-ca) with sslrootcert, sslcert or sslkey: else nobody is proven";
        report.refuse("database.url", rule);
    }
}

fn is_given(file: &Path) -> bool {
    !file.as_os_str().is_empty()
}

/// Whether all URLs of a key have the scheme that stands for TLS.
fn speaks_tls(urls: &SecretString, scheme: &str) -> bool {
    let mut urls = urls.expose_secret().split(',');
    urls.all(|url| Url::parse(url.trim()).is_ok_and(|url| url.scheme() == scheme))
}

/// What is wrong with a file. Never what stands in it: that may be a key.
fn problem(file: &Path, (what, begins): Content) -> Option<String> {
    match layers::read(file, LARGEST_FILE) {
        Ok(text) if begins.iter().any(|begin| text.contains(begin)) => None,
        Ok(_) => Some(format!("holds no {what}")),
        Err(problem) => Some(problem),
    }
}
