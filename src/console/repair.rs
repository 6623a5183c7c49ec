//! What operators do with dead letters through the console: see what a replay comes to, replay in the background, stop it and
//! go on, edit, discard, restore. One thing at a time, each on record, and none cut short because somebody closed a page.

mod actions;
mod moving;
mod progress;
mod run;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

pub(super) use self::moving::Moving;
pub(super) use self::progress::Progress;
use self::progress::Running;
use super::failure::Failure;
use super::letters::Letters;
use super::oldest::{Among, open};
use crate::auth::Authenticator;
use crate::config::Config;
use crate::domain::to_millis;
use crate::postgres::{Role, Session};
use crate::rabbitmq::courier::Courier;
use crate::rabbitmq::dead_letters::{DeadLetters, Letter, Selection};
use crate::replay::{EditError, Edited, Link, Order, Preview, Shown, WayBack, edit, send_edited};
use crate::telemetry::chain;

/// Most letters of a dry run that are shown.
const MOST_SHOWN: usize = 50;
/// Longest that a call waits for what it began; that goes on by itself.
const PATIENCE: Duration = Duration::from_secs(12);

/// What is done with dead letters.
pub(super) struct Repair {
    config: Arc<Config>,
    authenticator: Arc<Authenticator>,
    started: OffsetDateTime,
    running: Arc<Mutex<Option<Running>>>,
    moving: Arc<Mutex<Option<Moving>>>,
}

/// What letters would come to.
pub(super) struct DryRun {
    pub(super) shown: Vec<Shown>,
    /// Whether there are more than are shown.
    pub(super) more: bool,
    pub(super) among: Among,
}

/// What a replay is to be.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) order: Order,
    pub(super) force: bool,
    pub(super) words: String,
}

impl Repair {
    pub(super) fn new(config: &Config, authenticator: Arc<Authenticator>) -> Self {
        let started = to_millis(OffsetDateTime::now_utc());
        Self {
            config: Arc::new(config.clone()),
            authenticator,
            started,
            running: Arc::default(),
            moving: Arc::default(),
        }
    }

    /// The replay that goes on, or the last one.
    pub(super) fn progress(&self) -> Option<Progress> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Running::progress)
    }

    /// Has the replay that goes on stop; whether there is one.
    pub(super) fn stop(&self) -> bool {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(Running::stop)
    }

    /// What letters would come to.
    async fn dry_run(
        &self,
        letters: &Letters,
        selection: Selection,
        force: bool,
        unmasked: bool,
    ) -> Result<DryRun, Failure> {
        let turn = letters.turn()?;
        let (config, way_back) = (Arc::clone(&self.config), self.way_back(force)?);
        patiently(async move {
            let preview = Preview::new(&config, unmasked);
            let mut store = Session::new(&config.database, Role::Tool)?;
            let mut letters = open(&config.broker).await?;
            let among = Among::of(&letters);
            let shown = foresee(&mut letters, &selection, &way_back, &preview, &mut store).await;
            let closed = letters.close().await;
            drop(turn);
            let (shown, more) = shown?;
            closed?;
            Ok(DryRun { shown, more, among })
        })
        .await
    }

    /// Edits a letter, shows what it comes to, and sends it if `send`; none if there is no such letter.
    async fn edit(
        &self,
        letters: &Letters,
        id: &str,
        body: Vec<u8>,
        send: bool,
    ) -> Result<Option<(Shown, Link)>, Failure> {
        let turn = letters.turn()?;
        let (config, way_back, id) = (Arc::clone(&self.config), self.way_back(false)?, id.to_owned());
        patiently(async move {
            let mut letters = open(&config.broker).await?;
            let edited = edit_one(&mut letters, &id, body, send, (&way_back, &config)).await;
            let closed = letters.close().await;
            drop(turn);
            let edited = edited?;
            closed?;
            Ok(edited)
        })
        .await
    }

    fn way_back(&self, force: bool) -> Result<WayBack, Failure> {
        let way_back = WayBack::new(&self.config, Arc::clone(&self.authenticator), force, self.started);
        way_back.map_err(|error| Failure::Unavailable(format!("broker.url cannot be used: {}", chain(&error))))
    }
}

/// A task of its own: who gives up waiting must not leave the letters in another order, or half moved.
async fn patiently<T: Send + 'static>(
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::time::timeout(PATIENCE, tokio::spawn(work)).await {
        Ok(done) => done.unwrap_or_else(|_| Err(Failure::Unavailable("it broke down; the log says how".to_owned()))),
        Err(_) => Err(Failure::Unavailable("it takes long, and goes on; look at the dead letters later".to_owned())),
    }
}

async fn foresee(
    letters: &mut DeadLetters,
    selection: &Selection,
    way_back: &WayBack,
    preview: &Preview,
    store: &mut Session,
) -> Result<(Vec<Shown>, bool), Failure> {
    let mut shown = Vec::new();
    while let Some(letter) = letters.next().await? {
        if !selection.takes(&letter) {
            continue;
        }
        if shown.len() == MOST_SHOWN {
            return Ok((shown, true));
        }
        shown.push(preview.letter(store, &letter, way_back).await?);
    }
    Ok((shown, false))
}

async fn edit_one(
    letters: &mut DeadLetters,
    id: &str,
    body: Vec<u8>,
    send: bool,
    (way_back, config): (&WayBack, &Config),
) -> Result<Option<(Shown, Link)>, Failure> {
    let Some(letter) = find(letters, id).await? else { return Ok(None) };
    let mut store = Session::new(&config.database, Role::Tool)?;
    let edited: Result<Edited, EditError> =
        edit(&letter, body, way_back, &Preview::new(config, false), &mut store).await;
    let edited = edited?;
    if send {
        let mut courier = Courier::connect(&config.broker.url, "join-community console edit", &config.broker).await?;
        let replaced = send_edited(letters, &letter, &edited, &mut courier, &config.broker).await;
        courier.close().await;
        replaced?;
    }
    let Edited { shown, link, .. } = edited;
    Ok(Some((shown, link)))
}

async fn find(letters: &mut DeadLetters, id: &str) -> Result<Option<Letter>, Failure> {
    while let Some(letter) = letters.next().await? {
        if letter.id == id {
            return Ok(Some(letter));
        }
    }
    Ok(None)
}
