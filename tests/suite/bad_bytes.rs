//! Messages that a client library may not survive: texts that are no UTF-8, tables inside tables. A broker takes and
//! delivers them all, so they must be one message's trouble and not the connection's.

use serde_json::json;
use uuid::Uuid;

use crate::support::{Answer, Field, Installation, JOINABLE, Message, PATIENCE, Producer, eventually, raw_header};

const LATIN: &[u8] = b"caf\xe9";
const USER: (Field, &[u8]) = (Field::UserId, b"member-gateway");

#[tokio::test]
async fn a_text_that_is_no_utf8_makes_a_request_malformed_where_it_matters_and_disturbs_nobody() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let (mut producer, mut raw) = (installation.producer().await, installation.raw_producer().await);
    let (site, id) = (Uuid::new_v4(), |id: &'static str| (Field::MessageId, id.as_bytes()));
    let (odd_name, odd_value) = (raw_header(LATIN, b"x"), raw_header(b"traceparent", LATIN));
    let (mut joins, mut letters) = (0, 0);
    for (is_request, fields) in [
        (false, vec![(Field::MessageId, LATIN)]),
        (false, vec![id("type"), (Field::Kind, LATIN)]),
        (false, vec![id("content type"), (Field::ContentType, LATIN)]),
        (true, vec![id("correlation"), (Field::CorrelationId, LATIN)]),
        (true, vec![id("reply"), (Field::ReplyTo, LATIN)]),
        (true, vec![id("name"), (Field::Headers, odd_name.as_slice())]),
        (true, vec![id("value"), (Field::Headers, odd_value.as_slice())]),
    ] {
        let member = installation.member(site, JOINABLE).await;
        let identity = json!({ "identityType": "MEMBER", "memberId": member });
        let body = json!({ "siteId": site, "identity": identity }).to_string();
        raw.send(b"request", &[&[USER], fields.as_slice()].concat(), body.as_bytes()).await;
        assert_eq!(neighbour(&installation, &mut producer, site).await.status, 200, "{fields:?}");
        joins += if is_request { 2 } else { 1 };
        letters += u32::from(!is_request);
    }
    let letters = installation.dead_letters(letters).await;
    assert!(letters.iter().all(|letter| letter.header("x-join-community-reason") == "malformed"), "{letters:?}");
    // The byte that is no text is told as U+001A, which no request id may have.
    assert!(letters.iter().any(|letter| letter.message_id() == Some("caf\u{1a}")), "{letters:?}");
    worker.stop().await;
    assert_eq!(installation.requests(site).await.len(), joins);
    assert_eq!(installation.depth("join-community.requests").await, 0);
}

#[tokio::test]
async fn a_routing_key_that_is_no_text_and_tables_without_end_disturb_nobody() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let (mut producer, mut raw) = (installation.producer().await, installation.raw_producer().await);
    let site = Uuid::new_v4();
    let copied = carbon_copy("request");
    let mut deep = Vec::new();
    // As much as fits a frame: enough to overflow the stack of whoever reads it table by table.
    while deep.len() < 100_000 {
        deep = [b"\x01aF".as_slice(), &u32::try_from(deep.len()).unwrap().to_be_bytes(), &deep].concat();
    }
    for (id, key, headers) in [("r-1", LATIN, copied), ("r-2", b"request", deep)] {
        let member = installation.member(site, JOINABLE).await;
        let identity = json!({ "identityType": "MEMBER", "memberId": member });
        let body = json!({ "siteId": site, "identity": identity }).to_string();
        let fields = [USER, (Field::MessageId, id.as_bytes()), (Field::Headers, headers.as_slice())];
        raw.send(key, &fields, body.as_bytes()).await;
        assert_eq!(neighbour(&installation, &mut producer, site).await.status, 200, "{id}");
    }
    // RabbitMQ 4 delivers deep tables seconds after what was sent behind them.
    eventually("all are on record", PATIENCE, async || match installation.requests(site).await.len() {
        4 => Ok(()),
        requests => Err(requests),
    })
    .await;
    worker.stop().await;
    assert_eq!(installation.depth("join-community.requests").await, 0);
}

/// A request of somebody else, sent after it.
async fn neighbour(installation: &Installation, producer: &mut Producer, site: Uuid) -> Answer {
    let member = installation.member(site, JOINABLE).await;
    producer.ask(&Message::join(site, member)).await
}

/// The header by which RabbitMQ routes a message by another key as well.
fn carbon_copy(key: &str) -> Vec<u8> {
    let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_be_bytes();
    let item = [b"S".as_slice(), &size(key.as_bytes()), key.as_bytes()].concat();
    [b"\x02CCA".as_slice(), &size(&item), &item].concat()
}
