//! A dry run for people. Apart, because two commands show it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cli::print::visible;
use crate::replay::Shown;

/// What a letter would come to, in lines.
pub(super) fn words(shown: &Shown) -> String {
    let Shown { id, request_id, outcome, code, reason, why, before, after, event, .. } = shown;
    let mut text = format!("{id}  request {}  {outcome}", visible(request_id.as_deref().unwrap_or("-")));
    // Writing to a String cannot fail.
    for part in [code, reason].into_iter().flatten() {
        write!(text, " {part}").unwrap_or_default();
    }
    write!(text, ": {}", visible(why)).unwrap_or_default();
    if before != after {
        for (title, record) in [("before", before), ("after", after)] {
            write!(text, "\n  {title:6} {}", record.as_ref().map_or_else(|| "-".to_owned(), line)).unwrap_or_default();
        }
    }
    if let Some(event) = event {
        write!(text, "\n  event  {}", line(event)).unwrap_or_default();
    }
    text
}

fn line(value: &Value) -> String {
    visible(&value.to_string()).into_owned()
}
