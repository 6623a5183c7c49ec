//! What cannot be tried on this machine, for the last lines of `make test`: what a test prints is shown only if it fails.

use std::env;
use std::fs::OpenOptions;
use std::io::Write as _;

/// Adds a line to the file that the Makefile names. Without `make` there is none.
pub(crate) fn left_out(what: &str) {
    let Some(path) = env::var_os("JOIN_COMMUNITY_LEFT_OUT") else { return };
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    // In one piece, for tests run side by side.
    file.write_all(format!("{what}\n").as_bytes()).unwrap();
}
