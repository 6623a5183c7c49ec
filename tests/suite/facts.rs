//! What RabbitMQ, `lapin` and `sqlx` really do, and that the worker has a remedy for it. Each test fails without its remedy.
//!
//! The facts, and where each is tested:
//!
//! | fact | where |
//! |---|---|
//! | 1 a statement or transaction that was cancelled stays on its connection | `session` |
//! | 2 returned messages are paired with the wrong confirm | [`returns`] |
//! | 3 a blocked connection writes nothing, acks included | `outages::publishing`; a real alarm in the binary `outages` |
//! | 4 after an error a consumer may be silent for ever | `outages::broker`, [`consumers`] |
//! | 5 connecting knows no time limit | `outages::broker`; the tests of `rabbitmq::connect` |
//! | 6 an ack on a channel that is gone is none | [`consumers`] |
//! | 7 no delivery limit and -1 mean opposite things by version | [`queues`], `dead_letters` |
//! | 8 what is given back counts or not, by version | [`consumers`]; attempts are ours: `busy` |
//! | 9 the broker's headers can be forged | `forged_headers`, `bad_headers` |
//! | 10 `CC`, `BCC` and `reply_to` lead where their sender wants | `forged_headers`, `reply_queues` |
//! | 11 a queue killed right after its declaration is lost | [`queues`] |
//! | 12 dead-lettering loses messages unless told not to, twice | [`queues`] |

mod consumers;
mod queues;
mod returns;
