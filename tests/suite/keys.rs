//! The issuer's keys by URL: waited for, read again when an unknown one is named, and not more often than allowed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use join_community::auth::mint::Algorithm;
use join_community::domain::IdentityType;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::support::{Installation, Issuer, JOINABLE, Message, PATIENCE, Worker, eventually};

#[tokio::test]
async fn nothing_is_consumed_before_the_keys_could_be_read_and_everything_after() {
    let (issuer, door) = (Issuer::new(), Door::open(&Issuer::new()).await);
    door.serves.store(false, Ordering::Relaxed);
    let installation = installation(&issuer, &door).await;
    let worker = Worker::launch(installation.config.clone()).await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let request = Message::join(site, member).token(&issuer.token(&issuer.claims(site, IdentityType::Member, member)));
    producer.send(&request).await;

    eventually("the worker says that it waits for keys", PATIENCE, async || {
        let (ready, report) = worker.health().report();
        assert!(!ready, "{report}");
        let keys = &report["dependencies"]["keys"];
        let tells = keys["reason"].as_str().is_some_and(|reason| reason.contains("503"));
        if keys["up"] == false && tells { Ok(()) } else { Err(report) }
    })
    .await;
    assert_eq!(waiting(&installation).await, (1, 0));

    door.serves.store(true, Ordering::Relaxed);
    assert_eq!(producer.answer_to(&request).await.status, 200);
    worker.until_ready().await;
    for outcome in ["read", "failed"] {
        worker.until_counts(&format!("join_community_key_reads_total{{outcome=\"{outcome}\"}}"), 1).await;
    }
    worker.stop().await;
}

#[tokio::test]
async fn many_tokens_of_unknown_keys_are_no_flood_of_requests_to_the_issuer() {
    let (issuer, door) = (Issuer::new(), Door::open(&Issuer::new()).await);
    let installation = installation(&issuer, &door).await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let before = door.asked.load(Ordering::Relaxed);
    let strangers: Vec<Message> = (0..100)
        .map(|number| {
            let claims = issuer.claims(site, IdentityType::Member, Uuid::new_v4());
            let token = issuer.keys.token_under(&claims, Algorithm::Es256, &format!("unknown-{number}")).unwrap();
            Message::join(site, claims.caller.id).token(&token)
        })
        .collect();

    let started = std::time::Instant::now();
    producer.send_all(&strangers).await;
    let answers = producer.answers(strangers.len()).await;
    let elapsed = started.elapsed();
    assert!(answers.iter().all(|answer| (answer.status, answer.code()) == (401, "UNAUTHENTICATED")), "{answers:?}");
    // All were judged by keys that were read after they came; and between two reads there was a pause.
    let asked = door.asked.load(Ordering::Relaxed) - before;
    let most = u32::try_from(elapsed.as_millis() / COOLDOWN.as_millis()).unwrap() + 2;
    assert!((1..=most).contains(&asked), "{asked} reads in {elapsed:?}");
    assert_eq!(installation.requests(site).await, []);
    worker.stop().await;
}

/// At least this long between two reads of the keys.
const COOLDOWN: Duration = Duration::from_secs(1);

/// An installation that reads the issuer's keys there.
pub(crate) async fn installation(issuer: &Issuer, door: &Door) -> Installation {
    let adjust = |config: &mut join_community::config::Config| {
        issuer.trusted_by(config);
        config.auth.jwks.clone_from(&door.url);
        config.auth.jwks_cooldown = COOLDOWN;
    };
    Installation::with(adjust).await
}

/// Messages and consumers of the requests.
async fn waiting(installation: &Installation) -> (u32, u32) {
    let channel = installation.channel().await;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("join-community.requests".into(), passive, FieldTable::default()).await.unwrap();
    (queue.message_count(), queue.consumer_count())
}

/// Where the issuer shows its keys.
pub(crate) struct Door {
    pub(crate) url: String,
    pub(crate) serves: Arc<AtomicBool>,
    asked: Arc<AtomicU32>,
}

impl Door {
    pub(crate) async fn open(issuer: &Issuer) -> Self {
        let (serves, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)));
        let keys = std::fs::read_to_string(issuer.keys.jwks_path()).unwrap();
        let (is_open, counter) = (Arc::clone(&serves), Arc::clone(&asked));
        let answer = move || {
            counter.fetch_add(1, Ordering::Relaxed);
            let keys = is_open.load(Ordering::Relaxed).then(|| keys.clone());
            async move { keys.ok_or(StatusCode::SERVICE_UNAVAILABLE) }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let router = Router::new().route("/jwks.json", get(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, serves, asked }
    }
}
