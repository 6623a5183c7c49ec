//! A dead letter as it is read: what it says of itself, believed only as far as the broker vouches for its writer.

use aws_lc_rs::digest::{Context, SHA256};
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Acker, BasicProperties};
use time::{Duration, OffsetDateTime};

use super::history::{Past, history};
use super::moved;
use crate::rabbitmq::incoming::from_parts;
use crate::rabbitmq::topology::DISCARDED_FOR;
use crate::wire::{Incoming, headers, instant};

/// Every reason there is: the worker's own words, then the broker's.
pub const REASONS: [&str; 9] =
    ["malformed", "conflict", "busy", "permanent", "crash_loop", "delivery_limit", "expired", "rejected", "maxlen"];

/// A dead letter.
pub struct Letter {
    /// Names it: a digest of what is in it, the same at each look.
    pub id: String,
    /// Why it is one; `None` if neither worker nor broker says so.
    pub reason: Option<&'static str>,
    /// JSON pointer to what is malformed.
    pub pointer: Option<String>,
    /// What was wrong, in words.
    pub error: Option<String>,
    /// How often it was on the ladder.
    pub attempts: Option<u32>,
    /// What is known of its way until then, the oldest first.
    pub history: Vec<Past>,
    /// When the worker first saw it, or else when the broker gave it up.
    pub first_seen: Option<OffsetDateTime>,
    /// Version of the worker that wrote it, if it is one that says so.
    pub version: Option<String>,
    /// Whether the broker vouches that the worker wrote it.
    pub written_by_worker: bool,
    /// How large the body was, if only its beginning was kept.
    pub cut_from: Option<i64>,
    /// Which letter it was before it was replayed and came back, and by which replay.
    pub replayed: Option<(String, String)>,
    /// When the worker moved it to where it lies: of a discarded one, when it was discarded.
    pub moved_at: Option<OffsetDateTime>,
    /// The message.
    pub incoming: Incoming,
    properties: BasicProperties,
    tag: u64,
    acker: Acker,
}

/// What the broker says of a message that it dead-lettered itself.
#[derive(Default)]
struct Death {
    reason: Option<&'static str>,
    at: Option<OffsetDateTime>,
}

impl Letter {
    /// Reads a message from the dead-letter queue; `worker_user` is whose headers count.
    #[must_use]
    pub fn read(delivery: Delivery, worker_user: &str) -> Self {
        let Delivery { delivery_tag: tag, exchange, routing_key, redelivered, properties, data, acker, .. } = delivery;
        // What was moved from one queue to another is what it was: the worker vouches for that, and for no more.
        let moved_at = moved::moved_at(&properties, worker_user);
        let properties = moved::original(properties, worker_user);
        let incoming = from_parts(&exchange, &routing_key, redelivered, &properties, data);
        let written_by_worker = incoming.user_id.as_deref() == Some(worker_user);
        let none = FieldTable::default();
        let table = properties.headers().as_ref().unwrap_or(&none);
        // The worker's headers count only if the worker wrote them; so does what is derived from them.
        let own = |name| if written_by_worker { text(table, name) } else { None };
        let death = Death::read(table);
        let reason = own(headers::REASON).map_or(death.reason, |word| known(&word));
        let seen = own(headers::FIRST_SEEN).or_else(|| own(headers::ARRIVED));
        let first_seen = seen.and_then(|seen| instant::parse(&seen)).or(death.at);
        let cut_from = if written_by_worker { integer(table, headers::BODY_SIZE) } else { None };
        Self {
            id: digest(&incoming, reason, first_seen),
            reason,
            pointer: own(headers::POINTER),
            error: own(headers::ERROR),
            attempts: incoming.own.attempts.filter(|_| written_by_worker),
            history: history(own(headers::RETRIES).as_deref(), table, written_by_worker),
            first_seen,
            version: own(headers::VERSION),
            written_by_worker,
            cut_from,
            replayed: own(headers::REPLAY).as_deref().and_then(mark),
            moved_at,
            incoming,
            properties,
            tag,
            acker,
        }
    }

    /// When the broker lets go of it for good, if it lies among the discarded ones.
    #[must_use]
    pub fn gone_at(&self) -> Option<OffsetDateTime> {
        self.moved_at.and_then(|at| at.checked_add(Duration::milliseconds(DISCARDED_FOR)))
    }

    pub(super) const fn tag(&self) -> u64 {
        self.tag
    }

    pub(super) const fn acker(&self) -> &Acker {
        &self.acker
    }

    pub(super) const fn properties(&self) -> &BasicProperties {
        &self.properties
    }
}

impl Death {
    /// The broker puts the newest death first.
    fn read(table: &FieldTable) -> Self {
        let deaths = table.inner().get("x-death").and_then(AMQPValue::as_array);
        let Some(AMQPValue::FieldTable(newest)) = deaths.and_then(|deaths| deaths.as_slice().first()) else {
            return Self::default();
        };
        Self { reason: text(newest, "reason").and_then(|word| known(&word)), at: seconds(newest, "time") }
    }
}

/// The mark of a replay: `<letter>/<replay>`.
fn mark(text: &str) -> Option<(String, String)> {
    text.split_once('/').map(|(letter, replay)| (letter.to_owned(), replay.to_owned()))
}

/// A reason that there is.
pub(super) fn known(word: &str) -> Option<&'static str> {
    REASONS.into_iter().find(|reason| *reason == word)
}

/// Each part preceded by its length, so that no two messages run together into the same bytes.
fn digest(incoming: &Incoming, reason: Option<&str>, first_seen: Option<OffsetDateTime>) -> String {
    let seen = first_seen.map(instant::text).unwrap_or_default();
    let id = incoming.message_id.as_deref().unwrap_or_default();
    let mut context = Context::new(&SHA256);
    for part in [id.as_bytes(), reason.unwrap_or_default().as_bytes(), seen.as_bytes(), &incoming.body] {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    crate::wire::copy::hex(&context.finish().as_ref()[..8])
}

pub(super) fn text(table: &FieldTable, name: &str) -> Option<String> {
    let value = table.inner().get(name)?;
    let long = value.as_long_string().map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned());
    long.or_else(|| value.as_short_string().map(ToString::to_string))
}

/// A time as AMQP has it.
pub(super) fn seconds(table: &FieldTable, name: &str) -> Option<OffsetDateTime> {
    let seconds = table.inner().get(name)?.as_timestamp()?;
    OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()
}

pub(super) fn integer(table: &FieldTable, name: &str) -> Option<i64> {
    let value = table.inner().get(name)?;
    value.as_long_long_int().or_else(|| value.as_long_int().map(i64::from))
}
