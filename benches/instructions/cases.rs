//! What is counted: each step of a request and of a change that is code of ours.

use std::hint::black_box;

use futures_util::FutureExt as _;
use futures_util::io::AsyncReadExt as _;
use join_community::auth::{Authentication, Authenticator};
use join_community::config;
use join_community::domain::{Decision, Method, Verdict, decide};
use join_community::rabbitmq::connect::sieve::Sieve;
use join_community::wire::{event, profile, reply, request};
use time::macros::datetime;
use tokio_util::sync::CancellationToken;

use crate::{frames, sample};

/// A case.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    run: fn(u64),
}

impl Case {
    /// Does it so many times.
    pub(crate) fn run(&self, times: u64) {
        (self.run)(times);
    }
}

pub(crate) const ALL: [Case; 6] = [
    Case { name: "sieve", run: sieve },
    Case { name: "take-in", run: take_in },
    Case { name: "decide", run: decided },
    Case { name: "reply", run: replied },
    Case { name: "event", run: announced },
    Case { name: "profile", run: shown },
];

/// A delivery passes the sieve, a read brings several.
fn sieve(times: u64) {
    let delivery = frames::delivery(&sample::incoming());
    let stream = delivery.repeat(usize::try_from(times).unwrap());
    let mut room = vec![0; 64 * 1024];
    let mut sieve = Sieve::new(frames::Bytes(&stream));
    while sieve.read(&mut room).now_or_never().unwrap().unwrap() > 0 {
        black_box(&room);
    }
}

/// A request is read and who asks is proven, by a trusted producer.
fn take_in(times: u64) {
    let authenticator = authenticator();
    let (incoming, now) = (sample::incoming(), datetime!(2026-11-24 10:00 UTC));
    for _ in 0..times {
        let incoming = black_box(&incoming);
        let decoded = request::decode(incoming).expect("a sound request");
        let authentication = authenticator.authenticate(incoming, &decoded, now);
        assert!(matches!(authentication, Authentication::Proven(_)), "a trusted producer");
        black_box((authentication, authenticator.history(incoming, now)));
    }
}

/// It is decided.
fn decided(times: u64) {
    let (request, standing) = (sample::request(), sample::standing());
    for _ in 0..times {
        let decision = decide(black_box(&request), black_box(&standing), 3);
        assert_eq!(decision, Decision::Decided(Verdict::Joined));
    }
}

/// Its reply is written.
fn replied(times: u64) {
    let member = sample::member();
    for _ in 0..times {
        let reply = reply::verdict(Verdict::Joined, Some(black_box(&member)));
        black_box(reply::outgoing(reply, Method::Join, "amq.rabbitmq.reply-to.x", Some("1"), None));
    }
}

/// The event of its change is written.
fn announced(times: u64) {
    let change = sample::change();
    for _ in 0..times {
        black_box(event::event(black_box(&change), "members.events"));
    }
}

/// The cache's entry is written.
fn shown(times: u64) {
    let member = sample::change().member.expect("a record");
    for _ in 0..times {
        let mut entry = Vec::with_capacity(512);
        profile::write(black_box(&member), &mut entry);
        black_box(entry);
    }
}

fn authenticator() -> Authenticator {
    let mut auth = config::load::<String, String>(None, []).expect("the defaults are sound").auth;
    let producer = format!(
        "[{{ user = \"{}\", identity_types = [\"MEMBER\"], sites = [\"*\"], may_elevate = false }}]",
        sample::PRODUCER
    );
    let variable = ("JOIN_COMMUNITY__AUTH__PRODUCERS".to_owned(), producer);
    auth.producers = config::load(None, [variable]).expect("a producer").auth.producers;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let started = Authenticator::start(&auth, "join-worker", CancellationToken::new());
    runtime.block_on(started).expect("the configuration is sound")
}
