//! The table of the demo: what was found beside what must be.

use comfy_table::{ContentArrangement, Table};
use serde_json::json;

use super::observe::Event;
use super::story::Scene;
use crate::cli::Output;

/// One line: reply, record, cache, event.
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) found: [String; 4],
    pub(super) expected: [&'static str; 4],
}

impl Row {
    pub(super) fn new(scene: &Scene, reply: String, record: String, cache: String, letter: Option<String>) -> Self {
        let expected = &scene.expected;
        Self {
            title: scene.title,
            // The event is filled in once all are heard; what stands here is what goes with it.
            found: [reply, record, cache, letter.unwrap_or_default()],
            expected: [expected.reply, expected.record, expected.cache, expected.event],
        }
    }

    fn is_right(&self) -> bool {
        self.found.iter().zip(self.expected).all(|(found, expected)| found == expected)
    }
}

/// An event in the words of the table.
pub(super) fn words(event: &Event) -> String {
    format!("sequence {}, {}", event.entity_event_sequence, event.originated_from)
}

/// Fills in which events each scene caused: those that name its request, told with the first scene that sent it.
pub(super) fn tell_events(rows: &mut [Row], scenes: &[Scene], events: &[Event]) {
    for (place, (row, scene)) in rows.iter_mut().zip(scenes).enumerate() {
        let is_first = !scenes.iter().take(place).any(|earlier| earlier.id == scene.id);
        let caused: Vec<String> = events
            .iter()
            .filter(|event| is_first && event.request.as_deref() == Some(scene.id.as_str()))
            .map(words)
            .collect();
        let letter = std::mem::take(&mut row.found[3]);
        let event = if caused.is_empty() { "none".to_owned() } else { caused.join("; ") };
        row.found[3] = if letter.is_empty() { event } else { format!("{event}; {letter}") };
    }
}

/// Prints the table; answers whether every row is right.
pub(super) fn tell(rows: &[Row], output: Output) -> anyhow::Result<bool> {
    let right = rows.iter().all(Row::is_right);
    let json: Vec<_> = rows
        .iter()
        .map(|row| {
            let [reply, record, cache, event] = &row.found;
            json!({ "request": row.title, "reply": reply, "record": record, "cache": cache, "event": event, "ok": row.is_right() })
        })
        .collect();
    output.result(&json, |_| table(rows).to_string())?;
    Ok(right)
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["", "request", "reply", "record", "cache", "event"]);
    for row in rows {
        let cells = row.found.iter().zip(row.expected).map(|(found, expected)| {
            if found == expected { found.clone() } else { format!("{found}\n(must be: {expected})") }
        });
        let mark = if row.is_right() { "✓" } else { "✗" };
        table.add_row([mark.to_owned(), row.title.to_owned()].into_iter().chain(cells));
    }
    table
}
