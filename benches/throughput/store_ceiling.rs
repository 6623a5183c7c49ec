//! What PostgreSQL and Redis allow: the worker's own batches, lane beside lane, with the cache side and the forgetting behind
//! them, and no broker anywhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use join_community::cache::{Entry, Profiles};
use join_community::config::{self, Config};
use join_community::domain::{
    Attempts, Caller, IdentityType, MemberId, Method, Proof, Request, RequestId, Requester, SiteId,
};
use join_community::join::rounds::{Outcome, Policy, bring_to_outcome};
use join_community::operations::Laps;
use join_community::postgres::{Paid, Role, Session};
use join_community::wire::profile;
use secrecy::ExposeSecret as _;
use sqlx::{Connection as _, PgConnection};
use time::OffsetDateTime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Whoever measures begins when this is said: everything is connected, nothing is done.
pub(crate) const BEGINS: &str = "begins";
/// As many debts as the worker forgets at once.
const MOST_FORGOTTEN: usize = 2_048;
/// And as long as it gathers them.
const GATHERING: Duration = Duration::from_millis(25);
/// What served a database on the same machine best.
const LANES: usize = 4;
const BATCH: usize = 256;

/// Joins every member of the database, then waits for SIGTERM.
pub(crate) async fn serve() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let config = config::load(None, std::env::vars_os()).map_err(|findings| anyhow::anyhow!("{findings}"))?;
    let requests = requests(&config).await?;
    let (entries, written) = mpsc::channel(config.announce.queue);
    let (paid, forgotten) = mpsc::channel(config.announce.queue);
    let mut forgetter = Session::new(&config.database, Role::Announcer)?;
    forgetter.probe().await?;
    let mut lanes = Vec::with_capacity(LANES);
    for _ in 0..LANES {
        let mut session = Session::new(&config.database, Role::Lane)?;
        session.probe().await?;
        lanes.push(session);
    }
    let mut profiles = Profiles::new(&config.cache)?;
    profiles.probe().await?;

    println!("{BEGINS}");
    let mut tasks = JoinSet::new();
    tasks.spawn(write(profiles, written, paid, config.announce.batch_max));
    tasks.spawn(forget(forgetter, forgotten));
    let batches: Vec<Vec<Request>> = requests.chunks(BATCH).map(<[Request]>::to_vec).collect();
    let batches = Arc::new(Mutex::new(batches));
    for lane in lanes {
        tasks.spawn(join(lane, Arc::clone(&batches), config.clone(), entries.clone()));
    }
    drop(entries);
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    terminate.recv().await;
    Ok(())
}

/// A request of each member for itself, as a trusted producer sends it.
async fn requests(config: &Config) -> Result<Vec<Request>> {
    let mut records = PgConnection::connect(config.database.url.expose_secret()).await?;
    let members: Vec<(Uuid, Uuid)> =
        sqlx::query_as("SELECT site_id, id FROM members ORDER BY random()").fetch_all(&mut records).await?;
    let request = |(site, member): (Uuid, Uuid)| {
        let id = Uuid::now_v7().to_string();
        Ok(Request {
            id: RequestId::parse(&id).context("a UUID is a request id")?,
            method: Method::Join,
            site: SiteId(site),
            target: Some(MemberId(member)),
            caller: Caller { identity_type: IdentityType::Member, id: member },
            requester: Requester::producer("member-gateway"),
            elevated: None,
            proof: Proof::Producer { vouches: true, may_elevate: false },
            digest: [7; 32],
            attempts: Attempts::default(),
            received_at: OffsetDateTime::now_utc(),
            traceparent: None,
        })
    };
    members.into_iter().map(request).collect()
}

/// What is left to be done; each lane takes the next.
type Batches = Arc<Mutex<Vec<Vec<Request>>>>;

/// A lane.
async fn join(mut store: Session, batches: Batches, config: Config, entries: mpsc::Sender<Entry>) -> Result<()> {
    let policy = Policy { patience: config.join.unknown_member_retries, lease: config.announce.lease };
    let next = || batches.lock().unwrap_or_else(PoisonError::into_inner).pop();
    while let Some(batch) = next() {
        let batch: Vec<&Request> = batch.iter().collect();
        let outcomes = bring_to_outcome(&mut store, &batch, policy, &mut Laps::begin()).await?;
        for (request, outcome) in batch.iter().zip(outcomes) {
            let Outcome::Verdict { member: Some(member), .. } = outcome else {
                anyhow::bail!("a member could not join: {outcome:?}");
            };
            let mut shown = Vec::with_capacity(512);
            profile::write(&member, &mut shown);
            let (site, event_sequence) = (request.site, member.event_sequence);
            entries.send(Entry { site, member_id: member.id, event_sequence, member: Some(shown) }).await?;
        }
    }
    Ok(())
}

/// The cache side.
async fn write(
    mut profiles: Profiles,
    mut entries: mpsc::Receiver<Entry>,
    paid: mpsc::Sender<Paid>,
    batch_max: usize,
) -> Result<()> {
    let mut ready = Vec::with_capacity(batch_max);
    while entries.recv_many(&mut ready, batch_max).await > 0 {
        let written = profiles.write(&ready).await?;
        ensure!(written.error.is_none(), "Redis refused an entry: {:?}", written.error);
        let now = Some(OffsetDateTime::now_utc());
        for Entry { site, member_id, event_sequence, .. } in ready.drain(..) {
            let (event, cache, confirmed_at, cached_at) = (true, true, now, now);
            paid.send(Paid { site, member_id, event_sequence, event, cache, confirmed_at, cached_at }).await?;
        }
    }
    Ok(())
}

/// Forgets what is paid.
async fn forget(mut store: Session, mut paid: mpsc::Receiver<Paid>) -> Result<()> {
    let mut ready = Vec::with_capacity(MOST_FORGOTTEN);
    while paid.recv_many(&mut ready, MOST_FORGOTTEN).await > 0 {
        store.forget(&ready).await?;
        ready.clear();
        if paid.len() < MOST_FORGOTTEN {
            tokio::time::sleep(GATHERING).await;
        }
    }
    Ok(())
}
