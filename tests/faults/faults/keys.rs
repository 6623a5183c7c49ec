//! The issuer's keys by URL: out of reach at the start, changed, out of reach again, and none at all.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use futures_util::FutureExt as _;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::dice::Dice;
use crate::issuer::{Issuer, trust};
use crate::ledger::{Expected, Ledger};
use crate::load::Load;
use crate::stage::Stage;
use crate::suite::support::JOINABLE;
use crate::trial::{Fault, Outcome, Trial};

const WHILE: Duration = Duration::from_secs(1);
const NO_KEYS: &str = r#"{"keys":[]}"#;

pub(super) fn faults() -> Vec<Fault> {
    vec![Fault {
        name: "world/issuer-in-trouble",
        what: "keys by URL: unreachable at the start, rotated, unreachable while unknown ones are named, none, there again",
        quick: true,
        alone: false,
        workers: &[1, 3],
        run: |trial| issuer_in_trouble(trial).boxed(),
    }]
}

async fn issuer_in_trouble(trial: Trial) -> Result<Outcome> {
    let mut stage = Stage::set(&trial).await?;
    let (old, new) = (Issuer::new(&trial.folder.join("old-keys"))?, Issuer::new(&trial.folder.join("new-keys"))?);
    let door = Door::open().await?;
    trust(&mut stage.fleet, &door.url);
    for _ in 0..trial.workers {
        stage.fleet.launch()?;
    }
    let mut act = Act {
        count: if trial.quick { 20 } else { 200 },
        ledger: Ledger::default(),
        dice: Dice::new(trial.seed),
        stage,
    };
    act.ledger.seed = trial.seed;

    // Without any key nothing is taken, whoever vouches for it.
    act.send(&old, Expected::Joined, 0).await?;
    tokio::time::sleep(WHILE).await;
    let waiting = usize::try_from(act.stage.installation.depth("join-community.requests").await)?;
    ensure!(waiting == act.count, "{waiting} of {} requests wait for the keys", act.count);
    ensure!(!act.stage.fleet.is_ready(0).await, "ready without keys");
    door.show(Some(&old.public_keys()?));
    act.stage.fleet.until_ready().await?;
    act.rest().await;

    // Nobody knows the new key yet, and the issuer is away: no reason to refuse anybody.
    door.show(None);
    act.send(&new, Expected::Joined, act.count / 2).await?;
    tokio::time::sleep(WHILE).await;
    door.show(Some(&new.public_keys()?));
    act.rest().await;

    // An issuer who says that there is no key means it; a worker that has no reason to ask has not heard of it.
    door.show(Some(NO_KEYS));
    act.send(&new, Expected::Joined, 0).await?;
    act.rest().await;
    act.send(&new, Expected::Refused, act.count).await?;
    act.rest().await;
    if trial.workers == 1 {
        act.send(&new, Expected::Refused, 0).await?;
        act.rest().await;
    }
    door.show(Some(&new.public_keys()?));
    act.stage.healed();
    act.send(&new, Expected::Joined, 0).await?;
    act.stage.compare(act.ledger).await
}

/// What was sent so far, and to whom.
struct Act {
    count: usize,
    ledger: Ledger,
    dice: Dice,
    stage: Stage,
}

impl Act {
    /// Sends requests of members with sound tokens of an issuer, and so many beside them that name a key of nobody.
    async fn send(&mut self, issuer: &Issuer, expected: Expected, strangers: usize) -> Result<()> {
        let mut load = Load { ledger: std::mem::take(&mut self.ledger), messages: Vec::new() };
        let (site, joins) = (self.dice.id(), expected == Expected::Joined);
        let honest = if joins || strangers == 0 { self.count } else { 0 };
        for member in load.members(&self.stage.installation, site, JOINABLE, honest).await {
            issuer.join(&mut load, self.id(), &Issuer::claims(member), expected)?;
        }
        for _ in 0..strangers {
            let claims = Issuer::claims((site, self.dice.id()));
            issuer.join_under_unknown_key(&mut load, self.id(), &claims)?;
        }
        self.dice.shuffle(&mut load.messages);
        self.ledger = self.stage.send(load, Duration::ZERO).finish().await?;
        Ok(())
    }

    /// Waits until all that was sent has come to something.
    async fn rest(&self) {
        self.stage.rest(&self.ledger).await;
    }

    fn id(&mut self) -> String {
        let id: Uuid = self.dice.id();
        id.to_string()
    }
}

/// Where an issuer shows its keys.
struct Door {
    url: String,
    shown: Arc<Mutex<Option<String>>>,
}

impl Door {
    async fn open() -> Result<Self> {
        let shown: Arc<Mutex<Option<String>>> = Arc::default();
        let keys = Arc::clone(&shown);
        let answer = move || {
            let keys = keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
            async move { keys.ok_or(StatusCode::SERVICE_UNAVAILABLE) }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/jwks.json", listener.local_addr()?);
        let router = Router::new().route("/jwks.json", get(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, shown })
    }

    /// Shows these keys, or fails to.
    fn show(&self, keys: Option<&str>) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = keys.map(str::to_owned);
    }
}
