//! What is known of the way of a letter until it became one: when it went to the retry ladder, as the worker's copies say, and
//! when the broker took it out of a queue, as `x-death` says. Apart from the letter, because each is believed for its own reason.

use lapin::types::{AMQPValue, FieldArray, FieldTable};
use serde::Serialize;
use time::OffsetDateTime;

use super::letter::{Letter, integer, known, seconds, text};
use super::mask::mask;
use crate::wire::copy::BETWEEN;
use crate::wire::instant;

/// Most entries of `x-death` that are told. The broker has one for each queue and reason; a sender may have made up more.
const MOST_DEATHS: usize = 20;
/// Longest name of a queue.
const LONGEST: usize = 255;
/// Most that is told in a line.
const MOST_TOLD: usize = 10;

/// A part of that way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Past {
    /// When.
    pub at: String,
    /// What happened then.
    pub what: String,
}

impl Letter {
    /// The newest of its history in a line; none if nothing is known.
    #[must_use]
    pub fn history_in_words(&self) -> Option<String> {
        let newest = &self.history[self.history.len().saturating_sub(MOST_TOLD)..];
        let told: Vec<String> = newest.iter().map(|Past { at, what }| format!("{at} {what}")).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

/// The history of a message, the oldest first; `retries` is what the worker wrote of it, if it did.
pub(super) fn history(retries: Option<&str>, headers: &FieldTable, by_worker: bool) -> Vec<Past> {
    // Behind the broker's own, which comes first, a sender may have made up more.
    let most = if by_worker { MOST_DEATHS } else { 1 };
    let mut way: Vec<_> = retries.into_iter().flat_map(|text| text.split(BETWEEN)).filter_map(retry).collect();
    let deaths = headers.inner().get("x-death").and_then(AMQPValue::as_array);
    way.extend(deaths.into_iter().flat_map(FieldArray::as_slice).take(most).filter_map(death));
    way.sort_by_key(|(at, _)| *at);
    way.into_iter().map(|(at, what)| Past { at: instant::text(at), what }).collect()
}

fn retry(entry: &str) -> Option<(OffsetDateTime, String)> {
    let (at, rung) = entry.split_once(' ')?;
    Some((instant::parse(at)?, format!("to the retry ladder, rung {rung}")))
}

fn death(entry: &AMQPValue) -> Option<(OffsetDateTime, String)> {
    let AMQPValue::FieldTable(entry) = entry else { return None };
    let reason = known(&text(entry, "reason")?)?;
    let queue: String = text(entry, "queue")?.chars().take(LONGEST).collect();
    let often = integer(entry, "count").filter(|count| *count > 1);
    let often = often.map(|count| format!(", {count} times, the first then")).unwrap_or_default();
    Some((seconds(entry, "time")?, format!("out of queue {}: {reason}{often}", mask(&queue))))
}

#[cfg(test)]
mod tests {
    use lapin::types::{AMQPValue, FieldTable};

    use super::{MOST_DEATHS, history};

    fn death(queue: &str, reason: &str, second: u64, count: i64) -> AMQPValue {
        let mut entry = FieldTable::default();
        entry.insert("queue".into(), AMQPValue::LongString(queue.into()));
        entry.insert("reason".into(), AMQPValue::LongString(reason.into()));
        entry.insert("time".into(), AMQPValue::Timestamp(second));
        entry.insert("count".into(), AMQPValue::LongLongInt(count));
        AMQPValue::FieldTable(entry)
    }

    fn headers(deaths: Vec<AMQPValue>) -> FieldTable {
        let mut headers = FieldTable::default();
        headers.insert("x-death".into(), AMQPValue::FieldArray(deaths.into()));
        headers
    }

    #[test]
    fn what_worker_and_broker_say_is_told_in_the_order_of_time() {
        let deaths = vec![death("requests", "delivery_limit", 40, 1), death("retry.30s", "expired", 30, 3)];
        let told: Vec<_> = history(Some("1970-01-01T00:00:00.500Z 30s, nonsense"), &headers(deaths), true)
            .into_iter()
            .map(|past| format!("{} {}", past.at, past.what))
            .collect();
        let expected = [
            "1970-01-01T00:00:00.500Z to the retry ladder, rung 30s",
            "1970-01-01T00:00:30.000Z out of queue retry.30s: expired, 3 times, the first then",
            "1970-01-01T00:00:40.000Z out of queue requests: delivery_limit",
        ];
        assert_eq!(told, expected);
        assert_eq!(history(None, &FieldTable::default(), true), []);
    }

    #[test]
    fn what_a_sender_makes_up_is_bounded_and_shows_no_token() {
        let made_up = |n: u64| death("eyJhbGci.eyJzdWIi.c2ln", "expired", n, 1);
        let headers = headers((0..100).map(made_up).chain([death("q", "nonsense", 0, 1)]).collect());
        let told = history(None, &headers, true);
        assert_eq!((told.len(), history(None, &headers, false).len()), (MOST_DEATHS, 1));
        assert!(told.iter().all(|past| past.what == "out of queue (masked): expired"), "{told:?}");
    }
}
