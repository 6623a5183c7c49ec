//! Two workers on one queue: whatever comes twice counts once, whoever takes it.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::support::{Answer, Installation, JOINABLE, Message};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_give_every_request_one_verdict_and_every_member_one_change() {
    const MEMBERS: usize = 500;
    let installation = Installation::with(|config| config.join.batch_max = 32).await;
    let site = Uuid::new_v4();
    let members = installation.members(site, JOINABLE, MEMBERS).await;
    let mut events = installation.events().await;
    let mut producer = installation.producer().await;
    // Every member is asked for by two requests, and each of these comes twice: 2,000 messages.
    let requests: Vec<Message> =
        [&members, &members].into_iter().flatten().map(|it| Message::join(site, *it)).collect();
    let sent = requests.iter().zip(requests.iter().rev()).flat_map(|(one, other)| [one.clone(), other.clone()]);
    producer.send_all(&sent.collect::<Vec<_>>()).await;

    let workers = [installation.start().await, installation.start().await];
    let answers = producer.answers(4 * MEMBERS).await;
    let verdicts = installation.requests(site).await;
    assert_eq!(verdicts.len(), 2 * MEMBERS);
    for verdict in ["joined", "already_joined"] {
        let of_kind = verdicts.iter().filter(|it| it.verdict == verdict);
        let whom: BTreeSet<Uuid> = of_kind.map(|it| it.member.unwrap()).collect();
        assert_eq!(whom.len(), MEMBERS, "{verdict}: each member once");
    }
    for member in &members {
        let record = installation.record(site, *member).await.unwrap();
        assert_eq!((record.privacy.as_str(), record.sequence), ("PUBLIC", 17));
    }
    assert_answers(&answers, &requests);

    installation.outbox_is_empty().await;
    for worker in workers {
        worker.stop().await;
    }
    // A repeat has the same id and the same bytes, and counts once.
    let mut announced = BTreeMap::<String, Vec<u8>>::new();
    for event in events.all_so_far().await {
        assert_eq!(event.json()["entityEventSequence"], "17");
        let first = announced.entry(event.message_id().unwrap().to_owned()).or_insert_with(|| event.body.clone());
        assert!(*first == event.body, "a repeat has the same bytes");
    }
    assert_eq!(announced.len(), MEMBERS);
    assert_eq!(installation.depth("join-community.requests").await, 0);
    assert_eq!(installation.depth("join-community.dead-letters").await, 0);
}

/// Every request was answered twice, each time alike: 200 with the member that it asked for, public.
fn assert_answers(answers: &[Answer], requests: &[Message]) {
    let mut by_request = BTreeMap::<&str, Vec<&Answer>>::new();
    for answer in answers {
        by_request.entry(answer.correlation_id.as_deref().unwrap()).or_default().push(answer);
    }
    for request in requests {
        let both = &by_request[request.request_id()];
        assert!(both.len() == 2 && both[0].body == both[1].body, "{both:?}");
        assert_eq!((both[0].status, &both[0].body["member"]["privacyStatus"]), (200, &"PUBLIC".into()));
        let asked: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(both[0].body["member"]["id"], asked["memberId"]);
    }
}
