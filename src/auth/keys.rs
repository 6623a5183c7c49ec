//! The keys that are held now, and the task that keeps them fresh. Separate, because a lane must never wait for an issuer.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::key_set::KeySet;
use super::key_source::{KeyReadError, KeySource};
use crate::telemetry;

/// A set of keys, and since when it is known to be complete.
pub(super) struct Held {
    pub(super) set: KeySet,
    /// When the read of it began: a key that existed then is in it.
    pub(super) as_of: OffsetDateTime,
}

/// The keys of the issuer. The last good set is kept while newer ones cannot be read.
pub(super) struct Keys {
    /// What of the configuration says where they are.
    setting: &'static str,
    place: String,
    held: ArcSwapOption<Held>,
    trouble: ArcSwapOption<String>,
    wanted: Notify,
    /// Until a read has begun after this moment, somebody waits for one.
    wanted_after: Mutex<Option<OffsetDateTime>>,
    read: watch::Sender<bool>,
    reads: AtomicU64,
    failures: AtomicU64,
}

impl Keys {
    /// No keys yet.
    pub(super) fn empty(source: &KeySource) -> Arc<Self> {
        Arc::new(Self {
            setting: source.setting(),
            place: source.place(),
            held: ArcSwapOption::empty(),
            trouble: ArcSwapOption::empty(),
            wanted: Notify::new(),
            wanted_after: Mutex::default(),
            read: watch::Sender::new(false),
            reads: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        })
    }

    /// Reads the keys in the background, at most once in `cooldown`, until `stop`.
    pub(super) fn spawn(self: Arc<Self>, source: KeySource, cooldown: Duration, stop: CancellationToken) {
        let cooldown = source.cooldown(cooldown);
        let task = self.keep_fresh(source, move || tokio::time::sleep(cooldown));
        tokio::spawn(stop.run_until_cancelled_owned(task));
    }

    /// Reads the keys over and over: after each read it rests for a cool-down, then waits for a wish or for the period.
    /// One task alone reads, so there are never two reads at once, and wishes during a rest come to one read.
    pub(super) async fn keep_fresh<R: Future<Output = ()>>(self: Arc<Self>, source: KeySource, rest: impl Fn() -> R) {
        loop {
            let well = self.refresh(&source).await;
            rest().await;
            if well {
                tokio::select! {
                    () = self.wanted.notified() => {}
                    () = tokio::time::sleep(self.until_wanted().min(source.period())) => {}
                }
            }
        }
    }

    /// The newest good set, if any was read.
    pub(super) fn held(&self) -> Guard<Option<Arc<Held>>> {
        self.held.load()
    }

    /// Asks for a read. Any number of wishes comes to one.
    pub(super) fn ask(&self) {
        self.wanted.notify_one();
    }

    /// Asks for a read, and for another one that begins at that moment or later.
    pub(super) fn ask_again_at(&self, moment: OffsetDateTime) {
        let mut wanted = self.wanted_after.lock().unwrap_or_else(PoisonError::into_inner);
        *wanted = (*wanted).max(Some(moment));
        self.ask();
    }

    /// How long it is until the moment that a read is wanted at; for ever, if the newest one began after it.
    fn until_wanted(&self) -> Duration {
        let mut wanted = self.wanted_after.lock().unwrap_or_else(PoisonError::into_inner);
        let as_of = self.held.load().as_ref().map(|held| held.as_of);
        *wanted = wanted.filter(|wanted| as_of.is_none_or(|as_of| as_of < *wanted));
        let left = |moment| Duration::try_from(moment - OffsetDateTime::now_utc()).unwrap_or_default();
        wanted.map_or(Duration::MAX, left)
    }

    /// Returns as soon as a set was read.
    pub(super) async fn wait(&self) {
        // It cannot fail: the sender lives in `self`.
        let mut read = self.read.subscribe();
        let _seen = read.wait_for(|read| *read).await;
    }

    /// Returns as soon as there is a set whose read began at this moment or later.
    pub(super) async fn read_since(&self, moment: OffsetDateTime) {
        let mut read = self.read.subscribe();
        while self.held.load().as_ref().is_none_or(|held| held.as_of < moment) {
            // It cannot fail: the sender lives in `self`.
            if read.changed().await.is_err() {
                return;
            }
        }
    }

    /// How often they were read, and how often that failed.
    pub(super) fn reads(&self) -> (u64, u64) {
        (self.reads.load(Ordering::Relaxed), self.failures.load(Ordering::Relaxed))
    }

    /// Why there is no set yet.
    pub(super) fn missing(&self) -> Option<String> {
        if self.held.load().is_some() {
            return None;
        }
        let trouble = self.trouble.load();
        let why = trouble.as_ref().map_or("not read yet", |trouble| trouble.as_str());
        Some(format!("no keys from {} = {}: {why}", self.setting, self.place))
    }

    /// What is wrong: there is no set yet, or the newest read of another one failed.
    pub(super) fn trouble(&self) -> Option<String> {
        self.missing().or_else(|| self.trouble.load().as_ref().map(|trouble| String::clone(trouble)))
    }

    async fn refresh(&self, source: &KeySource) -> bool {
        let as_of = OffsetDateTime::now_utc();
        let read = source.read().await.and_then(|json| KeySet::parse(&json).map_err(KeyReadError::Content));
        let count = if read.is_ok() { &self.reads } else { &self.failures };
        count.fetch_add(1, Ordering::Relaxed);
        match read {
            Ok(set) => self.keep(Held { set, as_of }),
            Err(error) => {
                self.complain(&error);
                return false;
            }
        }
        true
    }

    pub(super) fn keep(&self, held: Held) {
        let (usable, skipped) = (held.set.len(), held.set.skipped());
        let before = self.held.swap(Some(Arc::new(held)));
        let recovered = self.trouble.swap(None).is_some();
        self.read.send_replace(true);
        let known = before.map(|before| (before.set.len(), before.set.skipped()));
        if recovered || known != Some((usable, skipped)) {
            tracing::info!(jwks = %self.place, usable, "keys read");
        }
        if skipped > 0 && known.is_none_or(|(_, before)| before != skipped) {
            tracing::warn!(jwks = %self.place, skipped, "keys that are not for RS256, ES256 or EdDSA signatures are skipped");
        }
    }

    /// Tells of trouble once, not at every read that fails.
    fn complain(&self, error: &KeyReadError) {
        let trouble = telemetry::chain(error);
        if self.trouble.load().is_none() {
            tracing::warn!(jwks = %self.place, error = trouble, "keys cannot be read; those held stay in use");
        }
        self.trouble.store(Some(Arc::new(trouble)));
    }
}
