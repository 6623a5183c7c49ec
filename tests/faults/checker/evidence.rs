//! What is there: read once, from database, cache and queues. Apart from the comparisons, which are then pure.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use lapin::options::{BasicGetOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection, Row as _};
use uuid::Uuid;

use super::{Counts, Place};
use crate::ledger::Key;
use crate::suite::support::cache;

/// The queue in which every event of a trial is kept.
pub(crate) const EVENTS: &str = "faults.events";
/// The queue in which every reply of a trial is kept.
pub(crate) const REPLIES: &str = "faults.replies";
const DEAD_LETTERS: &str = "join-community.dead-letters";
const TRANSIT: [&str; 6] = [
    "join-community.requests",
    "join-community.retry.1s",
    "join-community.retry.5s",
    "join-community.retry.30s",
    "join-community.retry.2m",
    "join-community.retry.10m",
];

/// All traces of a trial.
pub(crate) struct Evidence {
    /// Table `join_requests`.
    pub(super) verdicts: Vec<Verdict>,
    /// Table `members`.
    pub(super) members: BTreeMap<Key, Record>,
    /// Rows of table `outbox`.
    pub(super) owed: i64,
    /// Events in the order of their queue.
    pub(super) events: Vec<Message>,
    /// Replies in the order of their queue.
    pub(super) replies: Vec<Message>,
    /// Dead letters.
    pub(super) dead_letters: Vec<Message>,
    /// Messages in queues that must be empty.
    pub(super) in_transit: Vec<(&'static str, u32)>,
    /// The cache's entries under the trial's prefix.
    pub(super) entries: BTreeMap<Key, BTreeMap<String, String>>,
}

/// A verdict on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) id: String,
    pub(super) requester: String,
    pub(super) site: Uuid,
    pub(super) member: Option<Uuid>,
    pub(super) outcome: String,
    pub(super) code: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) sequence: Option<i64>,
}

impl Verdict {
    /// Whether the member was public with it, where it says that.
    pub(super) fn says_public(&self) -> Option<bool> {
        match self.outcome.as_str() {
            "joined" | "already_joined" => Some(true),
            "left" | "already_left" => Some(false),
            _ => None,
        }
    }

    /// Whether it changed the member.
    pub(super) fn is_change(&self) -> bool {
        ["joined", "left"].contains(&self.outcome.as_str())
    }
}

/// A member's record.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) is_public: bool,
    pub(super) is_deleted: bool,
    pub(super) sequence: i64,
    pub(super) nickname: Option<String>,
}

/// A message as it lay in a queue.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) correlation: String,
    pub(super) headers: BTreeMap<String, AMQPValue>,
    pub(super) body: Vec<u8>,
}

impl Message {
    pub(super) fn text(&self, header: &str) -> String {
        match self.headers.get(header) {
            Some(AMQPValue::LongString(text)) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
            Some(AMQPValue::ShortString(text)) => text.to_string(),
            Some(_) | None => String::new(),
        }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

impl Evidence {
    pub(super) async fn gather(place: &Place) -> Result<Self> {
        let mut database = PgConnection::connect(&place.database).await.context("the database")?;
        let broker = Connection::connect(&place.broker, ConnectionProperties::default()).await.context("the broker")?;
        let channel = broker.create_channel().await?;
        let (events, replies) = (read(&channel, EVENTS).await?, read(&channel, REPLIES).await?);
        let dead_letters = read(&channel, DEAD_LETTERS).await?;
        let mut in_transit = Vec::new();
        for queue in TRANSIT {
            in_transit.push((queue, depth(&channel, queue).await?));
        }
        // Looked at without acknowledging: all of it goes back.
        broker.close(200, "read".into()).await?;
        Ok(Self {
            verdicts: verdicts(&mut database).await?,
            members: members(&mut database).await?,
            owed: sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&mut database).await?,
            events,
            replies,
            dead_letters,
            in_transit,
            entries: entries(place).await.context("the cache")?,
        })
    }

    /// What the verdicts on each member say of their state, in the order of its sequences; of one sequence the change first.
    pub(super) fn histories(&self) -> BTreeMap<Key, Vec<&Verdict>> {
        let mut found: BTreeMap<Key, Vec<&Verdict>> = BTreeMap::new();
        for verdict in self.verdicts.iter().filter(|verdict| verdict.says_public().is_some()) {
            if let Some(member) = verdict.member {
                found.entry((verdict.site, member)).or_default().push(verdict);
            }
        }
        for history in found.values_mut() {
            history.sort_by_key(|verdict| (verdict.sequence, !verdict.is_change()));
        }
        found
    }

    pub(super) fn counts(&self) -> Counts {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let mut ids: Vec<&str> = self.events.iter().map(|event| event.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        let crash_loops = self.dead_letters.iter().filter(|letter| super::dead_letters::reason(letter) == "crash_loop");
        Counts {
            verdicts: count(self.verdicts.len()),
            events: count(ids.len()),
            repeated_events: count(self.events.len() - ids.len()),
            replies: count(self.replies.len()),
            dead_letters: count(self.dead_letters.len()),
            crash_loops: count(crash_loops.count()),
        }
    }
}

async fn verdicts(database: &mut PgConnection) -> Result<Vec<Verdict>> {
    let rows = sqlx::query(
        "SELECT request_id, requester, site_id, member_id, verdict, code, reason, event_sequence FROM join_requests",
    );
    let verdict = |row: sqlx::postgres::PgRow| Verdict {
        id: row.get(0),
        requester: row.get(1),
        site: row.get(2),
        member: row.get(3),
        outcome: row.get(4),
        code: row.get(5),
        reason: row.get(6),
        sequence: row.get(7),
    };
    Ok(rows.fetch_all(database).await?.into_iter().map(verdict).collect())
}

async fn members(database: &mut PgConnection) -> Result<BTreeMap<Key, Record>> {
    let rows = sqlx::query(
        "SELECT site_id, id, privacy_status = 'PUBLIC' AND status = 'APPROVED' AND deleted_date IS NULL,
                event_sequence, profile ->> 'nickname', deleted_date IS NOT NULL FROM members",
    );
    let rows = rows.fetch_all(database).await?;
    let record = |row: &sqlx::postgres::PgRow| Record {
        is_public: row.get(2),
        sequence: row.get(3),
        nickname: row.get(4),
        is_deleted: row.get(5),
    };
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), record(row))).collect())
}

async fn depth(channel: &Channel, queue: &str) -> Result<u32> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let found = channel.queue_declare(queue.into(), passive, FieldTable::default()).await;
    Ok(found.with_context(|| format!("queue {queue}"))?.message_count())
}

async fn read(channel: &Channel, queue: &str) -> Result<Vec<Message>> {
    let mut found = Vec::new();
    while let Some(message) = channel.basic_get(queue.into(), BasicGetOptions::default()).await? {
        let delivery = message.delivery;
        let properties = &delivery.properties;
        let text =
            |value: &Option<lapin::types::ShortString>| value.as_ref().map(ToString::to_string).unwrap_or_default();
        let headers = properties.headers().as_ref().map(|table| table.inner().clone()).unwrap_or_default();
        found.push(Message {
            id: text(properties.message_id()),
            correlation: text(properties.correlation_id()),
            headers: headers.into_iter().map(|(name, value)| (name.to_string(), value)).collect(),
            body: delivery.data,
        });
    }
    Ok(found)
}

async fn entries(place: &Place) -> Result<BTreeMap<Key, BTreeMap<String, String>>> {
    let mut cache = cache::connection(&place.cache).await?;
    let mut found = BTreeMap::new();
    let mut cursor = 0_u64;
    loop {
        let pattern = format!("{}:*", place.cache_prefix);
        let page = redis::cmd("SCAN").arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(1000).clone();
        let (next, keys): (u64, Vec<String>) = page.query_async(&mut cache).await?;
        // The worker tries the cache out with a key of its own.
        for key in keys.into_iter().filter(|key| !key.ends_with(":probe")) {
            let fields: BTreeMap<String, String> = redis::cmd("HGETALL").arg(&key).query_async(&mut cache).await?;
            // The last two words are the ids, whatever the prefix is.
            let mut words = key.rsplit(':');
            let member = words.next().unwrap_or_default().parse().with_context(|| format!("key {key}"))?;
            let site = words.next().unwrap_or_default().parse().with_context(|| format!("key {key}"))?;
            // Expired between the two looks.
            if !fields.is_empty() {
                found.insert((site, member), fields);
            }
        }
        cursor = next;
        if cursor == 0 {
            return Ok(found);
        }
    }
}
