//! Dead letters: what is shown of any message at all, and what is believed of it.

use fastrand::Rng;
use join_community::rabbitmq::dead_letters::{Letter, REASONS};
use lapin::message::Delivery;

use super::message::{self, CANARY, WORKER};
use super::{Outcome, Target};
use crate::amqp;

pub(crate) struct Letters;

impl Target for Letters {
    fn make(&self, rng: &mut Rng) -> Vec<u8> {
        let body = match rng.u32(..4) {
            0 => format!("{{\"token\":\"{CANARY}\"}}").into_bytes(),
            1 => [amqp::bytes(rng, 40), b" ".to_vec(), CANARY.as_bytes().to_vec()].concat(),
            _ => amqp::bytes(rng, 200),
        };
        message::make(rng, &body)
    }

    fn check(&self, input: &[u8]) -> Outcome {
        let (Some(one), Some(two)) = (message::read(input), message::read(input)) else { return Outcome::Refused };
        let (one, two) = (letter(one), letter(two));
        assert_eq!(one.id, two.id, "the same at each look");
        assert!(one.id.len() == 16 && one.id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{}", one.id);
        assert!(one.reason.is_none_or(|reason| REASONS.contains(&reason)));
        assert_eq!(one.written_by_worker, one.incoming.user_id.as_deref() == Some(WORKER));
        if !one.written_by_worker {
            let own = (&one.pointer, &one.error, one.attempts, one.cut_from);
            assert_eq!(own, (&None, &None, None, None), "a stranger's headers are believed");
        }
        for shown in [serde_json::to_string(&one.whole()), serde_json::to_string_pretty(&one.summary())] {
            let shown = shown.expect("a dead letter can be shown");
            assert!(!shown.contains(CANARY), "a token is shown: {shown}");
        }
        Outcome::of(one.written_by_worker)
    }
}

fn letter(delivered: message::Delivered) -> Letter {
    let message::Delivered { exchange, routing_key, redelivered, properties, body } = delivered;
    let mut delivery = Delivery::mock(1, exchange, routing_key, redelivered, body);
    delivery.properties = properties;
    Letter::read(delivery, WORKER)
}
