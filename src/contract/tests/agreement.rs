//! Random requests through schema and reader: both take them, or both refuse them. What only the reader can see (keys that
//! stand twice, NUL, depth, size, numbers beyond a double) is not drawn here; the vectors have it.

use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use proptest::{option, sample};
use serde_json::{Map, Value, json};

use super::{fits, incoming};
use crate::wire::request::decode;

const GUID: &str = "7d368843-6f0c-4037-8d0e-b7e36a8a0c32";

/// Values that some field may take and another must refuse.
fn anything() -> impl Strategy<Value = Value> {
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1.5),
        json!(""),
        json!([]),
        json!([{}]),
        json!({}),
        json!({ "identityType": "MEMBER" }),
        json!("MEMBER"),
        json!("member"),
        json!("UNKNOWN"),
        json!(GUID.replace('-', "")),
        json!(format!("{GUID}\n")),
        json!(GUID.replace('7', "g")),
        json!(GUID.replace('-', "_")),
        json!(&GUID[1..]),
        json!(format!("{{{GUID}}}")),
        json!("\u{ff17}d368843-6f0c-4037-8d0e-b7e36a8a0c3"),
    ];
    sample::select(values.to_vec())
}

fn guid() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u128>().prop_map(|bits| json!(uuid::Uuid::from_u128(bits).to_string())),
        Just(json!(GUID.to_uppercase())),
    ]
}

/// Mostly what belongs there, now and then nothing or anything.
fn mostly(good: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Option<Value>> {
    option::weighted(0.7, prop_oneof![4 => good, 1 => anything(), 1 => Just(json!(null))])
}

fn object(fields: Vec<(&'static str, Option<Value>)>) -> Value {
    let present = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(present.collect::<Map<_, _>>())
}

fn identity() -> impl Strategy<Value = Value> {
    let words = ["MEMBER", "ANONYMOUS_VISITOR", "WIX_USER", "APP", "UNKNOWN", "OWNER"];
    let kind = mostly(sample::select(words.to_vec()).prop_map(Value::from));
    // Rarely there: with four ids nothing would ever be sound.
    let id = || option::weighted(0.35, prop_oneof![5 => guid(), 1 => anything(), 2 => Just(json!(null))]);
    (kind, id(), id(), id(), id()).prop_map(|(kind, member, visitor, user, app)| {
        object(vec![
            ("identityType", kind),
            ("memberId", member),
            ("anonymousVisitorId", visitor),
            ("wixUserId", user),
            ("appId", app),
        ])
    })
}

/// An identity that is sound: seldom enough by chance.
fn sound_identity() -> impl Strategy<Value = Value> {
    let kinds = [
        ("MEMBER", "memberId"),
        ("ANONYMOUS_VISITOR", "anonymousVisitorId"),
        ("WIX_USER", "wixUserId"),
        ("APP", "appId"),
        ("UNKNOWN", "appId"),
    ];
    (sample::select(kinds.to_vec()), guid())
        .prop_map(|((kind, field), id)| object(vec![("identityType", Some(json!(kind))), (field, Some(id))]))
}

fn body() -> impl Strategy<Value = Value> {
    let identity = mostly(prop_oneof![identity(), sound_identity()]);
    let site = option::weighted(0.95, prop_oneof![9 => guid(), 1 => anything()]);
    (site, mostly(guid()), identity, mostly(any::<bool>().prop_map(Value::from)), option::of(anything())).prop_map(
        |(site, member, identity, elevated, other)| {
            object(vec![
                ("siteId", site),
                ("memberId", member),
                ("identity", identity),
                ("elevated", elevated),
                ("requestedAt", other),
            ])
        },
    )
}

fn text(choices: &[&str]) -> impl Strategy<Value = Option<Value>> + use<> {
    let choices: Vec<Value> = choices.iter().map(|text| json!(text)).collect();
    option::of(sample::select(choices))
}

proptest! {
    #[test]
    fn a_body_is_taken_by_schema_and_reader_or_by_neither(body in body()) {
        let read = decode(&incoming(&json!({ "message_id": "request-1" }), &json!({}), body.to_string().into_bytes()));
        prop_assert_eq!(fits("request", &body).is_ok(), read.is_ok(), "{}: {:?} {:?}", body, fits("request", &body), read);
    }

    #[test]
    fn properties_and_headers_are_taken_by_schema_and_reader_or_by_neither(
        id in text(&["a", "request-1", "", "two words", "é", "nul\0", "~"]),
        id_length in sample::select(vec![1, 1, 1, 128, 129]),
        kind in text(&["join-community.v1", "leave-community.v1", "join-community.v2", "leave-community.v2", ""]),
        content_type in text(&[
            "application/json", "Application/JSON; charset=utf-8", "application/json ;x", "text/plain", "application/json5", "",
        ]),
        encoding in option::weighted(0.1, sample::select(vec![json!("gzip"), json!("")])),
        correlation_id in text(&["", "c"]),
        lengths in (sample::select(vec![1, 255, 256]), sample::select(vec![1, 8192, 8193]), sample::select(vec![1, 512, 513])),
        present in (any::<bool>(), any::<bool>(), any::<bool>()),
    ) {
        let repeated = |text: &str, times: usize| Some(json!(text.repeat(times)));
        let id = id.and_then(|id| repeated(id.as_str().unwrap(), id_length));
        let correlation_id = correlation_id.and_then(|id| repeated(id.as_str().unwrap(), lengths.0));
        let header = |is_present: bool, length| if is_present { repeated("x", length) } else { None };
        let properties = object(vec![
            ("message_id", id),
            ("type", kind),
            ("content_type", content_type),
            ("content_encoding", encoding),
            ("correlation_id", correlation_id),
        ]);
        let headers = object(vec![
            ("authorization", header(present.0, lengths.1)),
            ("traceparent", header(present.1, lengths.2)),
            ("tracestate", header(present.2, lengths.2)),
        ]);
        let read = decode(&incoming(&properties, &headers, json!({ "siteId": GUID }).to_string().into_bytes()));
        let fits = fits("request-properties", &properties).and_then(|()| fits("request-headers", &headers));
        prop_assert_eq!(fits.is_ok(), read.is_ok(), "{} {}: {:?} {:?}", properties, headers, fits, read);
    }
}
