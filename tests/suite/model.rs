//! Random histories of an installation, compared with a model of what each must come to. Apart from the tests of one
//! promise each, because here the promises meet: joins, changes by others, closings, losses and crashes in any order.
//!
//! `JOIN_COMMUNITY_MODEL_CASES` asks for more histories, `JOIN_COMMUNITY_MODEL_SEED` for those of an earlier run.

mod expected;
mod late;
mod mortal;
mod world;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use expected::{Ask, Change, Step};
use world::World;

const CASES: u32 = 3;

#[test]
fn whatever_happens_in_whatever_order_record_cache_and_events_come_to_what_the_model_says() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let cases = number("JOIN_COMMUNITY_MODEL_CASES").map_or(CASES, |cases| cases.try_into().expect("a u32"));
    let seed = number("JOIN_COMMUNITY_MODEL_SEED").unwrap_or_else(|| fastrand::u64(..));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    // A history takes a second, and one that hangs takes half a minute: a minimal one is worth some of them.
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 60,
        max_shrink_time: 240_000,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let outcome = runner.run(&vec(step(), 1..14), |steps| {
        // An installation each: what one that failed left behind must not make the shorter ones fail.
        World::new().live_through(&steps);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("JOIN_COMMUNITY_MODEL_SEED={seed} JOIN_COMMUNITY_MODEL_CASES={cases} repeats this: {failure}");
    }
}

fn step() -> impl Strategy<Value = Step> {
    let change = prop_oneof![
        Just(Change::Block),
        Just(Change::Approve),
        Just(Change::Leave),
        Just(Change::Publish),
        Just(Change::Delete)
    ];
    prop_oneof![
        6 => (vec(ask(), 1..6), prop::bool::weighted(0.2)).prop_map(|(asks, crash)| Step::Asks { asks, crash }),
        5 => (0..3_usize, change).prop_map(|(member, change)| Step::Change { member, change }),
        2 => any::<bool>().prop_map(Step::Gate),
        1 => Just(Step::LoseCache),
        1 => Just(Step::Late),
        1 => Just(Step::Restart),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let leaves = prop::bool::weighted(0.3);
    (any::<bool>(), 0..4_u8, leaves, 0..3_usize, 0..3_usize, any::<bool>(), prop::bool::weighted(0.5)).prop_map(
        |(other_producer, id, leaves, caller, target, elevated, own)| {
            let caller = if own { target } else { caller };
            Ask { other_producer, id, leaves, caller, target, elevated }
        },
    )
}
