//! One request id for two things: the first keeps it, within what one requester has sent to one site.

use serde_json::json;
use uuid::Uuid;

use crate::support::{Installation, JOINABLE, Message, Producer, trusted};

#[tokio::test]
async fn an_id_with_another_meaning_is_a_conflict_and_the_first_meaning_stays() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let members = installation.members(site, JOINABLE, 2).await;
    let identity = json!({ "identityType": "MEMBER", "memberId": members[0] });
    let body = json!({ "siteId": site, "memberId": members[0], "identity": identity, "elevated": false });
    let first = Message::json(&body);
    let answer = producer.ask(&first).await;
    assert_eq!(answer.status, 200);

    for (number, (what, field, value)) in [
        ("another target", "memberId", json!(members[1])),
        ("another caller", "identity", json!({ "identityType": "MEMBER", "memberId": members[1] })),
        ("elevated", "elevated", json!(true)),
        ("no word on elevation", "elevated", json!(null)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut other = body.clone();
        other[field] = value;
        let other = Message::json(&other).id(first.request_id()).correlation_id(what);
        let refused = producer.ask(&other).await;
        assert_eq!((refused.status, refused.violation()), (400, ("messageId", "REQUEST_ID_REUSED")), "{what}");

        let letters = installation.dead_letters(u32::try_from(number + 1).unwrap()).await;
        let letter = letters.iter().find(|letter| letter.body == other.body()).expect(what);
        assert_eq!(letter.header("x-join-community-reason"), "conflict", "{what}");
        assert_eq!(letter.headers["x-join-community-pointer"], json!(null), "{what}");
        assert_eq!(letter.header("x-join-community-requester"), "producer:member-gateway", "{what}");
        let caller = if field == "identity" { members[1] } else { members[0] };
        assert_eq!(letter.header("x-join-community-caller"), format!("MEMBER:{caller}"), "{what}");
        assert_eq!(letter.message_id(), Some(first.request_id()), "{what}");
    }
    assert_eq!(installation.verdict(site, &first).await.verdict, "joined");
    assert_eq!(installation.record(site, members[1]).await.unwrap().privacy, "PRIVATE");
    assert_eq!(producer.ask(&first).await, answer);
    worker.stop().await;
}

#[tokio::test]
async fn the_same_meaning_in_other_bytes_is_the_same_request() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let first = Message::join(site, member);
    let answer = producer.ask(&first).await;

    let (upper_site, upper) = (site.to_string().to_uppercase(), member.to_string().to_uppercase());
    let spaced = format!(
        "{{ \"x\": 1, \"identity\": {{ \"memberId\": \"{upper}\", \"identityType\": \"MEMBER\" }},\n \"siteId\": \"{upper_site}\" }}"
    );
    let again = Message::bytes(spaced).id(first.request_id());
    let again = again.properties(|_| lapin::BasicProperties::default());
    assert_eq!(producer.ask(&again).await.body, answer.body);
    assert_eq!(installation.verdict(site, &first).await.verdict, "joined");
    assert_eq!(installation.depth("join-community.dead-letters").await, 0);
    worker.stop().await;
}

#[tokio::test]
async fn nobody_can_spend_anothers_id() {
    let installation =
        Installation::with(|config| config.auth.producers = vec![trusted("member-gateway"), trusted("admin")]).await;
    let worker = installation.start().await;
    let sites = [Uuid::new_v4(), Uuid::new_v4()];
    let members = installation.members(sites[0], JOINABLE, 3).await;
    let (mut gateway, mut other) = (installation.producer().await, installation.other_producer().await);
    let id = Uuid::now_v7().to_string();

    assert_eq!(ask(&mut gateway, sites[0], members[0], &id).await, 200);
    // The same words from another requester, other words from it, and the same requester at another site.
    assert_eq!(ask(&mut other, sites[0], members[0], &id).await, 200);
    assert_eq!(ask(&mut other, sites[0], members[1], &id).await, 400);
    let abroad = installation.member(sites[1], JOINABLE).await;
    assert_eq!(ask(&mut gateway, sites[1], abroad, &id).await, 200);

    let verdicts: Vec<_> =
        installation.requests(sites[0]).await.into_iter().map(|it| (it.requester, it.verdict)).collect();
    let expected = [("producer:admin", "already_joined"), ("producer:member-gateway", "joined")];
    assert_eq!(verdicts, expected.map(|(requester, verdict)| (requester.to_owned(), verdict.to_owned())));
    assert_eq!(installation.requests(sites[1]).await.len(), 1);
    worker.stop().await;
}

async fn ask(producer: &mut Producer, site: Uuid, member: Uuid, id: &str) -> i64 {
    producer.ask(&Message::join(site, member).id(id)).await.status
}
