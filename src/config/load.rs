//! Loading: the layers, one over the other, then everything that is wrong with the result.

use std::ffi::OsString;
use std::path::Path;

use secrecy::ExposeSecret as _;

use super::findings::Findings;
use super::{Config, layers, rules, secrets, shape};

/// Lays `file` over the built-in defaults and the environment over both.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load<K: Into<OsString>, V: Into<OsString>>(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (K, V)>,
) -> Result<Config, Findings> {
    let mut findings = Findings::default();
    let defaults = layers::defaults(&mut findings);
    let mut given = Vec::new();
    if let Some(path) = file {
        given.push(layers::file(path, &mut findings));
    }
    given.push(layers::environment(environment, &defaults, &mut findings));

    let mut values = defaults.clone();
    let mut secret_files = Vec::new();
    for mut layer in given {
        secret_files.append(&mut secrets::resolve(&mut layer, &mut findings));
        values.append(&mut shape::checked(layer, &defaults, &mut findings));
    }
    match shape::assemble(&values) {
        Ok(mut config) => {
            rules::apply(&config, &values, &mut findings);
            let key = &config.broker.client_key_file;
            if !key.as_os_str().is_empty() {
                secret_files.push(key.clone());
            }
            secret_files.extend(secrets::key_file(config.database.url.expose_secret()));
            secret_files.sort();
            secret_files.dedup();
            config.secret_files = secret_files;
            if findings.is_empty() { Ok(config) } else { Err(findings) }
        }
        Err(error) => {
            // Cannot happen while every value has been tried by itself; a finding all the same, and no panic.
            findings.add(&"configuration", error.message());
            Err(findings)
        }
    }
}
