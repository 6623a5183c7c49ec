//! Announcers of other workers that stood still, and write to the cache at last what was true when they were stopped. Apart
//! from the world, because a single worker seldom writes out of order by itself.

use join_community::cache::{Entry, Profiles};
use join_community::config;
use join_community::domain::{MemberId, SiteId};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Record, instant};

/// What they have in hand.
pub(super) struct Late {
    profiles: Profiles,
    held: Vec<Entry>,
}

impl Late {
    pub(super) fn new(config: &config::Cache) -> Self {
        Self { profiles: Profiles::new(config).expect("a URL of Redis"), held: Vec::new() }
    }

    /// One of them stops just before it writes this.
    pub(super) fn hold(&mut self, site: Uuid, member: Uuid, record: &Record) {
        let shown = (record.status.as_str(), record.privacy.as_str(), record.deleted) == ("APPROVED", "PUBLIC", false);
        let profile = json!({ "updatedDate": instant(record.updated) }).to_string().into_bytes();
        self.held.push(Entry {
            site: SiteId(site),
            member_id: MemberId(member),
            event_sequence: record.sequence,
            member: shown.then_some(profile),
        });
    }

    /// They end before they write. Into a cache that has forgotten what was newer, they would write what is old.
    pub(super) fn end(&mut self) {
        self.held.clear();
    }

    /// All of them go on, those that stood still for longest last.
    pub(super) async fn go_on(&mut self) {
        let entries: Vec<Entry> = self.held.iter().rev().cloned().collect();
        let written = self.profiles.write(&entries).await.expect("Redis answers");
        assert!(written.error.is_none(), "{:?}", written.error);
    }
}
