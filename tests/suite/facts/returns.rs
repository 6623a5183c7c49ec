//! `lapin` hands a returned message to whichever confirm comes first. An event that nobody received would be forgotten.

use std::time::Duration;

use join_community::rabbitmq::connect::connect;
use join_community::rabbitmq::window::{Fate, Window};
use join_community::wire::Outgoing;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;

use crate::support::Installation;

#[tokio::test]
async fn of_many_messages_in_flight_exactly_those_that_no_queue_took_are_refused() {
    const WINDOWS: usize = 40;
    const MESSAGES: usize = 100;
    let installation = Installation::new().await;
    let broker = &installation.config.broker;
    let connection = connect(&broker.url, "test", broker).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let private = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), private, FieldTable::default()).await.unwrap().name().to_string();
    let window = Window::open(&connection, Duration::from_secs(5)).await.unwrap();
    for round in 0..WINDOWS {
        // Here and there, and in every window elsewhere.
        let is_lost = |place: usize| (place * 7 + round * 3).is_multiple_of(11);
        let messages: Vec<Outgoing> = (0..MESSAGES)
            .map(|place| Outgoing {
                routing_key: if is_lost(place) { "nobody".into() } else { queue.clone().into() },
                body: place.to_string().into(),
                ..Outgoing::default()
            })
            .collect();
        let fates = window.publish(&messages).await.unwrap();
        let expected: Vec<Fate> =
            (0..MESSAGES).map(|place| if is_lost(place) { Fate::Returned } else { Fate::Confirmed }).collect();
        assert_eq!(fates, expected, "window {round}");
    }
}
