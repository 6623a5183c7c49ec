//! A broker that offers larger frames than by default. What a producer may send in one, it hands over in one, and whoever
//! takes smaller ones alone would be thrown out by the first such request, again and again.

use lapin::types::AMQPValue;
use uuid::Uuid;

use crate::support::services::{LargeFrames, alone};
use crate::support::{Installation, JOINABLE, Message};

#[tokio::test]
async fn a_request_whose_headers_need_a_larger_frame_than_usual_joins() {
    let _turn = alone().await;
    let _large = LargeFrames::offer();
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let padding = AMQPValue::LongString("x".repeat(200_000).into());
    let request = Message::join(site, member).header("padding", padding);
    installation.producer().await.ask(&request).await;
    assert_eq!(installation.record(site, member).await.unwrap().privacy, "PUBLIC");
    worker.stop().await;
}
