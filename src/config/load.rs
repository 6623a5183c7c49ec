//! Reads the layers of the configuration into one.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use super::Config;

/// Everything that is wrong with a configuration.
#[derive(Debug)]
pub struct Findings(Vec<String>);

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Findings {}

/// Lays `file` over the built-in defaults, and the environment over both.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load<K: Into<OsString>, V: Into<OsString>>(
    _file: Option<&Path>,
    _environment: impl IntoIterator<Item = (K, V)>,
) -> Result<Config, Findings> {
    Err(Findings(vec!["configuration cannot be loaded in this build".to_owned()]))
}
