//! A join from end to end, as section 3 of the contract has it.

use uuid::Uuid;

use crate::support::{Installation, JOINABLE, Message, entity, instant};

#[tokio::test]
async fn a_member_who_may_join_becomes_public_and_the_world_learns_of_it() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);

    let answer = producer.ask(&Message::join(site, member)).await;
    let record = installation.record(site, member).await.unwrap();
    assert_eq!((record.privacy.as_str(), record.sequence), ("PUBLIC", 17));
    let entity = entity(member, &record, &answer.body["member"]["createdDate"]);
    assert_eq!((answer.status, &answer.body["member"]), (200, &entity));
    assert_eq!(events.next().await.json()["updatedEvent"]["currentEntity"], entity);
    let cached = installation.cached_at(site, member, 17).await.unwrap();
    assert_eq!(cached["updatedDate"], instant(record.updated));
    installation.outbox_is_empty().await;
    worker.stop().await;
}
