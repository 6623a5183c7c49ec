//! Who may use the console: rules whose breach would make two operators one, or a token that nobody has.

use std::collections::HashSet;

use super::Report;
use crate::config::Config;

/// Fits a log line and a record.
const LONGEST_NAME: usize = 64;

pub(super) fn apply(config: &Config, report: &mut Report<'_>) {
    let (mut names, mut digests) = (HashSet::new(), HashSet::new());
    for token in &config.http.tokens {
        let name = &token.name;
        if !(1..=LONGEST_NAME).contains(&name.len()) || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            let rule = format!("name {name:?} must have 1 to {LONGEST_NAME} visible ASCII characters without spaces");
            report.refuse("http.tokens", rule);
        }
        if !names.insert(name) {
            report.refuse("http.tokens", format!("name `{name}` is listed twice: nobody could tell who did what"));
        }
        match token.digest() {
            None => report.refuse("http.tokens", format!("of `{name}`, sha256 must be 64 hexadecimal digits")),
            Some(digest) if !digests.insert(digest) => {
                report.refuse("http.tokens", format!("of `{name}`, sha256 stands there for another name already"));
            }
            Some(_) => {}
        }
    }
}
