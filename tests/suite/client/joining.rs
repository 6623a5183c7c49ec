//! `JoinCommunity`: everybody gets their own answer, and each error says what to do.

use futures_util::future::{join_all, try_join_all};
use join_community::client::{
    Caller, Code, EnqueueError, JoinCommunity, JoinError, JoinRequest, LeaveRequest, MemberId, PrivacyStatus, Refusal,
    RequestId, SiteId, Unsent,
};
use join_community::domain::IdentityType;
use join_community::rabbitmq::topology::Names;
use lapin::ExchangeKind;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use uuid::Uuid;

use super::{broker, client, request, until_waiting};
use crate::support::{Installation, Issuer, JOINABLE, MemberSpec, PATIENCE, PUBLIC, vhost};

fn refusal(answer: Result<join_community::client::Member, JoinError>) -> Refusal {
    match answer {
        Err(JoinError::Refused(refusal)) => *refusal,
        other => panic!("no refusal: {other:?}"),
    }
}

#[tokio::test]
async fn many_who_ask_at_once_through_one_client_get_their_own_answers() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let client = client(&installation).await;
    let site = Uuid::new_v4();
    let members = installation.members(site, JOINABLE, 300).await;
    let blocked = installation.members(site, MemberSpec { status: "BLOCKED", ..JOINABLE }, 50).await;
    let requests: Vec<_> = members.iter().chain(&blocked).map(|member| request(site, *member)).collect();
    let answers = join_all(requests.iter().map(|request| client.join(request))).await;
    for ((asked, request), answer) in members.iter().chain(&blocked).zip(&requests).zip(answers) {
        match answer {
            Ok(member) => {
                assert_eq!((member.id, member.privacy_status), (MemberId(*asked), Some(PrivacyStatus::Public)));
                assert!(members.contains(asked));
            }
            Err(JoinError::Refused(refusal)) => {
                assert_eq!((&refusal.request, refusal.reason.as_deref()), (request.id(), Some("BLOCKED")));
                assert!(blocked.contains(asked));
            }
            Err(other) => panic!("{asked}: {other}"),
        }
    }
    client.close().await;
    worker.stop().await;
}

#[tokio::test]
async fn the_same_request_asked_twice_at_once_is_answered_twice_and_counts_once() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let client = client(&installation).await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let asked = request(site, member);
    let clones: Vec<JoinCommunity> = (0..5).map(|_| client.clone()).collect();
    let answers = try_join_all(clones.iter().map(|client| client.join(&asked))).await.unwrap();
    assert!(answers.iter().all(|answer| answer.id == MemberId(member)), "{answers:?}");
    assert_eq!(installation.record(site, member).await.unwrap().sequence, JOINABLE.sequence + 1);
    assert_eq!(installation.requests(site).await.len(), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_refusal_has_status_code_reason_and_what_is_wrong() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let client = client(&installation).await;
    let site = Uuid::new_v4();
    let [ada, ben] = installation.members(site, JOINABLE, 2).await.try_into().unwrap();

    let caller = Caller { identity_type: IdentityType::Member, id: ben };
    let other = request(site, ada).with_id(RequestId::parse("mine").unwrap());
    let meddling = JoinRequest::elevated(SiteId(site), MemberId(ada), caller);
    assert_eq!(client.join(&meddling).await.unwrap().id, MemberId(ada), "this producer may elevate");
    client.join(&other).await.unwrap();

    let reused = refusal(client.join(&request(site, ben).with_id(RequestId::parse("mine").unwrap())).await);
    assert_eq!((reused.status, &reused.code), (400, &Code::InvalidArgument));
    assert_eq!(&*reused.violations[0].violated_rule, "REQUEST_ID_REUSED");

    let forged = refusal(client.join(&JoinRequest::bearer(SiteId(site), "x.y.z")).await);
    assert_eq!((forged.status, &forged.code), (401, &Code::Unauthenticated));

    installation.gate(site, "NO_ONE").await;
    let closed = refusal(client.join(&request(site, ben)).await);
    assert_eq!(
        (closed.status, &closed.code, closed.reason.as_deref()),
        (428, &Code::JoinImpossible, Some("SITE_CLOSED"))
    );
    assert!(!JoinError::Refused(Box::new(closed)).ask_again());
    worker.stop().await;
}

#[tokio::test]
async fn the_bearer_of_a_token_joins_whoever_sends_it() {
    let issuer = Issuer::new();
    let installation = Installation::with(|config| issuer.trusted_by(config)).await;
    let worker = installation.start().await;
    // A user whom the worker trusts with nothing.
    let stranger = JoinCommunity::connect(&broker(&installation.administrator_url())).await.unwrap().within(PATIENCE);
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let denied = refusal(stranger.join(&request(site, member)).await);
    assert_eq!(denied.code, Code::Unauthenticated);

    let token = issuer.token(&issuer.claims(site, IdentityType::Member, member));
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut events = installation.events().await;
    let joined = stranger.join(&JoinRequest::bearer(SiteId(site), &token).traceparent(trace)).await.unwrap();
    assert_eq!(joined.id, MemberId(member));
    let (_, event) = events.until(member).await;
    assert_eq!(&event.header("traceparent")[..35], &trace[..35], "the same trace");
    worker.stop().await;
}

#[tokio::test]
async fn what_is_enqueued_lies_in_the_queue_and_is_handled_by_whoever_comes() {
    let installation = Installation::new().await;
    let client = client(&installation).await;
    let site = Uuid::new_v4();
    let members = installation.members(site, JOINABLE, 100).await;
    let requests: Vec<_> = members.iter().map(|member| request(site, *member)).collect();
    // Twice, and nothing comes of the second.
    for waiting in [100, 200] {
        try_join_all(requests.iter().map(|request| client.enqueue(request))).await.unwrap();
        until_waiting(&installation, waiting).await;
    }
    let worker = installation.start().await;
    for (request, member) in requests.iter().zip(&members) {
        assert_eq!(client.join(request).await.unwrap().id, MemberId(*member));
        assert_eq!(installation.record(site, *member).await.unwrap().sequence, JOINABLE.sequence + 1);
    }
    worker.stop().await;
}

#[tokio::test]
async fn who_has_joined_leaves_by_requests_with_a_key_of_their_own_which_count_once() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let client = client(&installation).await;
    let channel = installation.channel().await;
    let (queue, exchange, none) = ("join-community.requests", "join-community", FieldTable::default());
    channel.queue_unbind(queue.into(), exchange.into(), "request".into(), none).await.unwrap();
    let site = Uuid::new_v4();
    let members = installation.members(site, PUBLIC, 2).await;
    for member in &members {
        let asked = LeaveRequest::member(SiteId(site), MemberId(*member));
        client.enqueue(&asked).await.unwrap();
        let left = client.leave(&asked).await.unwrap();
        assert_eq!((left.id, left.privacy_status), (MemberId(*member), Some(PrivacyStatus::Private)));
        let record = installation.record(site, *member).await.unwrap();
        assert_eq!((record.privacy.as_str(), record.sequence), ("PRIVATE", JOINABLE.sequence + 1));
    }
    let joining = client.join(&request(site, members[0])).await;
    assert!(matches!(joining, Err(JoinError::NotSent(Unsent::Unroutable { .. }))), "{joining:?}");
    worker.stop().await;
}

#[tokio::test]
async fn names_begin_with_the_prefix_of_the_installation() {
    let installation = Installation::new().await;
    let channel = installation.channel().await;
    let names = Names::new("blue.");
    let (exchange, queue, none) = (names.intake(), names.requests(), FieldTable::default);
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let kind = ExchangeKind::Direct;
    channel.exchange_declare(exchange.as_str().into(), kind, durable, none()).await.unwrap();
    channel.queue_declare(queue.as_str().into(), QueueDeclareOptions::durable(), none()).await.unwrap();
    let (queue, exchange, bind) = (queue.as_str().into(), exchange.as_str().into(), QueueBindOptions::default());
    channel.queue_bind(queue, exchange, "request".into(), bind, none()).await.unwrap();
    let broker = broker(&installation.administrator_url()).prefix("blue.");
    let client = JoinCommunity::connect(&broker).await.unwrap().within(PATIENCE);
    client.enqueue(&request(Uuid::new_v4(), Uuid::new_v4())).await.unwrap();
    assert_eq!(installation.messages(&names.requests(), 1).await.len(), 1);
}

#[tokio::test]
async fn what_no_queue_takes_is_told_to_each_sender_and_to_nobody_else() {
    let installation = Installation::new().await;
    let client = client(&installation).await;
    let channel = installation.channel().await;
    let (queue, exchange, key) = ("join-community.requests", "join-community", "request");
    let none = FieldTable::default;
    channel.queue_unbind(queue.into(), exchange.into(), key.into(), none()).await.unwrap();
    let site = Uuid::new_v4();
    let requests: Vec<_> = (0..100).map(|_| request(site, Uuid::new_v4())).collect();
    for answer in join_all(requests.iter().map(|request| client.join(request))).await {
        assert!(matches!(answer, Err(JoinError::NotSent(Unsent::Unroutable { .. }))), "{answer:?}");
    }
    for answer in join_all(requests.iter().map(|request| client.enqueue(request))).await {
        assert!(matches!(answer, Err(EnqueueError::NotSent(Unsent::Unroutable { .. }))), "{answer:?}");
    }
    until_waiting(&installation, 0).await;
    let bind = QueueBindOptions::default();
    channel.queue_bind(queue.into(), exchange.into(), key.into(), bind, none()).await.unwrap();
    try_join_all(requests.iter().map(|request| client.enqueue(request))).await.unwrap();
    until_waiting(&installation, 100).await;
}

#[tokio::test]
async fn an_exchange_that_is_missing_is_told_and_does_not_end_the_client() {
    let vhost = vhost().await;
    let client = JoinCommunity::connect(&broker(&vhost.producer_url)).await.unwrap().within(PATIENCE);
    let request = request(Uuid::new_v4(), Uuid::new_v4());
    for _ in 0..2 {
        let answer = client.enqueue(&request).await;
        assert!(matches!(answer, Err(EnqueueError::NotSent(Unsent::Unroutable { .. }))), "{answer:?}");
        assert!(answer.unwrap_err().ask_again());
    }
}

#[tokio::test]
async fn who_may_not_write_to_the_exchange_is_told_so_and_not_to_ask_again() {
    let installation = Installation::new().await;
    // Operators read dead letters, and write nothing.
    let broker = broker(&installation.vhost().operator_url);
    let client = JoinCommunity::connect(&broker).await.unwrap().within(PATIENCE);
    let request = request(Uuid::new_v4(), Uuid::new_v4());
    for _ in 0..2 {
        let answer = client.enqueue(&request).await;
        assert!(matches!(answer, Err(EnqueueError::NotSent(Unsent::Forbidden { .. }))), "{answer:?}");
        assert!(!answer.unwrap_err().ask_again());
    }
    let answer = client.join(&request).await;
    assert!(matches!(answer, Err(JoinError::NotSent(Unsent::Forbidden { .. }))), "{answer:?}");
    until_waiting(&installation, 0).await;
}

#[tokio::test]
async fn a_token_that_is_too_long_is_refused_here_and_harms_nobody() {
    let installation = Installation::new().await;
    let client = client(&installation).await;
    let site = SiteId(Uuid::new_v4());
    let answer = client.enqueue(&JoinRequest::bearer(site, &"x".repeat(200_000))).await;
    assert!(matches!(answer, Err(EnqueueError::NotSent(Unsent::TooLong { .. }))), "{answer:?}");
    client.enqueue(&JoinRequest::bearer(site, "x.y.z")).await.unwrap();
}
