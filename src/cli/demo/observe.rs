//! What came of a scene, read where anybody could read it: the record, the cache, the events, the dead letters.

use std::time::Duration;

use anyhow::bail;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::cache::Profiles;
use crate::config::Config;
use crate::domain::{MemberId, SiteId};
use crate::postgres::{Role, Session};
use crate::rabbitmq::dead_letters::DeadLetters;
use crate::rabbitmq::producer::Answer;

const PATIENCE: Duration = Duration::from_secs(20);

/// An event as a consumer sees it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    pub(super) entity_id: String,
    pub(super) entity_event_sequence: String,
    pub(super) originated_from: String,
    /// The request that caused it, as a header names it.
    #[serde(skip)]
    pub(super) request: Option<String>,
}

/// Looks where the worker leaves its traces.
pub(super) struct Observer {
    pub(super) store: Session,
    profiles: Profiles,
}

impl Observer {
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        Ok(Self { store: Session::new(&config.database, Role::Tool)?, profiles: Profiles::new(&config.cache)? })
    }

    /// Waits until nothing is owed any more: events are confirmed, the cache is written.
    pub(super) async fn until_paid(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.store.outbox_depth().await?.rows > 0 {
            if Instant::now() > deadline {
                bail!("something is still owed after {PATIENCE:?}");
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    pub(super) async fn record(&mut self, (site, member): (SiteId, MemberId)) -> anyhow::Result<String> {
        let record = self.store.member(site, member).await?;
        Ok(record.map_or_else(
            || "none".into(),
            |member| format!("{}, sequence {}", member.privacy_status.as_str(), member.event_sequence),
        ))
    }

    pub(super) async fn cache(&mut self, (site, member): (SiteId, MemberId)) -> anyhow::Result<String> {
        Ok(match self.profiles.read(site, member).await? {
            None => "none".into(),
            Some((sequence, None)) => format!("tombstone, sequence {sequence}"),
            Some((sequence, Some(_))) => format!("profile, sequence {sequence}"),
        })
    }
}

/// A reply in the words of the table.
pub(super) fn reply(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let error = &body["details"]["applicationError"];
    let violation = &body["details"]["validationError"]["fieldViolations"][0]["field"];
    let invalid = violation.as_str().map(|_| "INVALID_ARGUMENT");
    let words = [invalid, error["code"].as_str(), error["data"]["reason"].as_str(), violation.as_str()];
    words.into_iter().flatten().fold(answer.status.to_string(), |told, word| format!("{told} {word}"))
}

/// The dead letter of a request, in the words of the table; found as an operator finds it.
pub(super) async fn dead_letter(config: &Config, request: &str) -> anyhow::Result<Option<String>> {
    let mut letters = DeadLetters::open(&config.broker).await?;
    let mut found = None;
    while let Some(letter) = letters.next().await? {
        if letter.incoming.message_id.as_deref() == Some(request) {
            let pointer = letter.pointer.as_deref().unwrap_or("no pointer");
            found = Some(format!("dead letter: {}, {pointer}", letter.reason.unwrap_or("no reason")));
        }
    }
    letters.close().await?;
    Ok(found)
}
