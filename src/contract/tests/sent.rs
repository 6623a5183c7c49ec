//! What the worker writes fits the schemas, to the last field; and no schema promises a field that nothing writes.

use std::collections::BTreeSet;

use proptest::prelude::{any, prop_assert, proptest};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{evaluate, fits, headers, properties, schema};
use crate::domain::{
    ActivityStatus, Attempts, Caller, Change, IdentityType, Member, Method, Origin, PrivacyStatus, Proof, Requester,
    Status, Verdict, refusal,
};
use crate::wire::copy::{DeadLetter, DeadReason, History, Sender, WHOLE_BODY, dead_letter};
use crate::wire::event::event;
use crate::wire::reply::{self, Reply};
use crate::wire::request::decode;
use crate::wire::sample::{JOHN, SITE, TRACEPARENT, bare, change, john};
use crate::wire::webhook::{Claims, data};
use crate::wire::{Incoming, Outgoing, OwnHeaders, profile};

#[track_caller]
fn is_described(name: &str, written: &Value) {
    fits(name, written).unwrap_or_else(|why| panic!("{name}: {why} in {written}"));
    let unnamed = evaluate::unnamed(&schema(name), written);
    assert!(unnamed.is_empty(), "{name} does not name {unnamed:?}");
}

/// Every field that the schema names at its first level is written by one of these.
#[track_caller]
fn nothing_is_promised_in_vain(name: &str, written: &[Value]) {
    let named: BTreeSet<String> = schema(name)["properties"].as_object().unwrap().keys().cloned().collect();
    let seen: BTreeSet<String> = written.iter().flat_map(|it| it.as_object().unwrap().keys().cloned()).collect();
    assert_eq!(named, seen, "{name}");
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

proptest! {
    #[test]
    fn a_member_in_any_state_is_described(
        states in (0..4_usize, 0..2_usize, 0..2_usize),
        sequence in 0..=i64::MAX,
        seconds in -62_135_596_800_i64..253_402_300_799,
        is_bare in any::<bool>(),
    ) {
        let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        let member = Member {
            status: [Status::Pending, Status::Approved, Status::Blocked, Status::Offline][states.0],
            privacy_status: [PrivacyStatus::Private, PrivacyStatus::Public][states.1],
            activity_status: [ActivityStatus::Active, ActivityStatus::Muted][states.2],
            created_date: at,
            updated_date: at,
            event_sequence: sequence,
            ..if is_bare { bare() } else { john() }
        };
        let announced = Change { event_sequence: sequence, member: Some(member), ..change() };
        let event = event(&announced, "members.events").unwrap();
        let why = fits("event", &json_of(&event.body))
            .and_then(|()| fits("event-headers", &headers(&event)))
            .and_then(|()| fits("event-properties", &properties(&event)));
        prop_assert!(why.is_ok(), "{:?}", why);
    }
}

#[test]
fn an_event_is_described_to_the_last_field_whatever_caused_it() {
    let mut written: [Vec<Value>; 3] = [vec![], vec![], vec![]];
    let callers = IdentityType::ALL.map(|identity_type| Some(Caller { identity_type, id: JOHN.0 }));
    for origin in Origin::RECORDED.into_iter().chain([Origin::Unrecorded]) {
        for caller in callers.into_iter().chain([None]) {
            let event = event(&Change { origin, caller, ..change() }, "members.events").unwrap();
            for ((name, value), written) in [
                ("event", json_of(&event.body)),
                ("event-headers", headers(&event)),
                ("event-properties", properties(&event)),
            ]
            .into_iter()
            .zip(&mut written)
            {
                is_described(name, &value);
                written.push(value);
            }
        }
    }
    nothing_is_promised_in_vain("event", &written[0]);
    nothing_is_promised_in_vain("event-headers", &written[1]);
    nothing_is_promised_in_vain("event-properties", &written[2]);
    nothing_is_promised_in_vain("member", &[written[0][0]["updatedEvent"]["currentEntity"].clone()]);
}

#[test]
fn a_webhook_is_described_to_the_last_field() {
    let announced = event(&change(), "members.events").unwrap();
    let carried = headers(&announced);
    let event = String::from_utf8(announced.body).unwrap();
    let mut written: [Vec<Value>; 2] = [vec![], vec![]];
    for (identity, account) in [(carried["identity"].as_str(), Some(JOHN.0)), (None, None)] {
        let data = data(&event, SITE, identity, account);
        let said = json_of(data.as_bytes());
        let claims = serde_json::to_value(Claims { data, iat: 0, exp: 1 }).unwrap();
        for ((name, value), written) in
            [("webhook-claims", claims), ("webhook-data", said)].into_iter().zip(&mut written)
        {
            is_described(name, &value);
            written.push(value);
        }
    }
    nothing_is_promised_in_vain("webhook-claims", &written[0]);
    nothing_is_promised_in_vain("webhook-data", &written[1]);
}

/// Every reply there is.
fn replies() -> Vec<Reply> {
    let john = john();
    let mut replies: Vec<Reply> =
        Verdict::ALL.into_iter().map(|verdict| reply::verdict(verdict, Some(&john))).collect();
    replies.extend(refusal::ALL.into_iter().map(reply::unauthenticated));
    replies.push(reply::conflict());
    let malformed = decode(&Incoming::default()).unwrap_err();
    replies.push(reply::malformed(&malformed));
    replies
}

#[test]
fn every_reply_is_described_to_the_last_field() {
    let mut statuses = BTreeSet::new();
    let all = Method::ALL.into_iter().flat_map(|method| replies().into_iter().map(move |reply| (method, reply)));
    for (method, reply) in all {
        statuses.insert(reply.status);
        let [body, of_headers] =
            if reply.status == 200 { ["reply", "reply-headers"] } else { ["error-reply", "error-reply-headers"] };
        let sent = reply::outgoing(reply, method, "queue", Some("c-1"), Some(TRACEPARENT));
        is_described(body, &json_of(&sent.body));
        is_described(of_headers, &headers(&sent));
        is_described("reply-properties", &properties(&sent));
        nothing_is_promised_in_vain("reply-properties", &[properties(&sent)]);
    }
    let promised = |name: &str| schema(name)["properties"]["status"]["enum"].as_array().unwrap().clone();
    let promised: Vec<Value> = [promised("reply-headers"), promised("error-reply-headers")].concat();
    assert_eq!(promised, statuses.into_iter().map(Value::from).collect::<Vec<_>>());
}

#[test]
fn a_profile_is_described_to_the_last_field() {
    let written = |member: &Member| {
        let mut out = Vec::new();
        profile::write(member, &mut out);
        out
    };
    let whole = written(&john());
    is_described("public-profile", &json_of(&whole));
    is_described("public-profile", &json_of(&written(&bare())));
    nothing_is_promised_in_vain("public-profile", &[json_of(&whole)]);
    is_described(
        "cached-profile",
        &json!({ "sequence": i64::MAX.to_string(), "member": String::from_utf8(whole).unwrap() }),
    );
    is_described("cached-profile", &json!({ "sequence": "0" }));
}

fn buried(reason: DeadReason, sender: Option<Sender<'_>>, body: Vec<u8>) -> Outgoing {
    let incoming = Incoming {
        message_id: Some("request-1".into()),
        authorization: Some("Bearer secret".into()),
        traceparent: Some(TRACEPARENT.into()),
        tracestate: Some("rojo=1".into()),
        // It was replayed once, and was on the ladder, as only the worker can say.
        user_id: Some("worker".into()),
        own: OwnHeaders {
            replay: Some("letter/replay".into()),
            retries: Some("2026-11-24T10:00:00.000Z 1s".into()),
            ..OwnHeaders::default()
        },
        body,
        ..Incoming::default()
    };
    let target = sender.as_ref().map(|_| JOHN);
    let history = History { attempts: Attempts::default(), arrived: OffsetDateTime::UNIX_EPOCH, sender, target };
    let why = DeadLetter { reason, pointer: Some("/siteId"), error: "is required" };
    dead_letter(&incoming, &history, &why, "join-community.internal", "worker")
}

#[test]
fn a_dead_letter_is_described_to_the_last_header() {
    let requester = Requester::producer("member-gateway");
    let caller = Some(Caller { identity_type: IdentityType::App, id: JOHN.0 });
    let sender = |proof| Some(Sender { requester: &requester, caller, proof });
    let token = Proof::Token { permission: true, expired: false };
    let mut written = Vec::new();
    for reason in DeadReason::ALL {
        for sender in [None, sender(token), sender(Proof::Producer { vouches: true, may_elevate: false })] {
            for size in [0, WHOLE_BODY + 1] {
                let headers = headers(&buried(reason, sender, vec![b' '; size]));
                is_described("dead-letter-headers", &headers);
                written.push(headers);
            }
        }
    }
    nothing_is_promised_in_vain("dead-letter-headers", &written);
}
