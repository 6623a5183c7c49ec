//! What decodes, and to what; what does not is in `malformed`.

mod malformed;

use proptest::option;
use proptest::prelude::{Strategy, any, proptest};
use uuid::Uuid;

use super::{Body, Claim, Decoded, Draft, Incoming, decode, encode};
use crate::domain::{Caller, IdentityType, MemberId, Method, SiteId};

const SITE: &str = "6b0e7f1a-0000-4000-8000-000000000001";
const JOHN: &str = "7d368843-6f0c-4037-8d0e-b7e36a8a0c32";

fn incoming(body: impl Into<Vec<u8>>) -> Incoming {
    Incoming { message_id: Some("request-1".into()), body: body.into(), ..Incoming::default() }
}

fn body(fields: &str) -> String {
    format!(r#"{{"siteId":"{SITE}"{fields}}}"#)
}

fn identity(fields: &str) -> String {
    body(&format!(r#","identity":{{{fields}}}"#))
}

fn decoded(body: &str) -> Decoded {
    decode(&incoming(body)).unwrap_or_else(|malformed| panic!("{body}: {malformed}"))
}

#[test]
fn a_whole_request_decodes() {
    let fields =
        format!(r#","memberId":"{JOHN}","identity":{{"identityType":"MEMBER","memberId":"{JOHN}"}},"elevated":false"#);
    let john = Uuid::parse_str(JOHN).unwrap();
    let request = decoded(&body(&fields));
    let caller = Caller { identity_type: IdentityType::Member, id: john };
    assert_eq!(request.id.as_str(), "request-1");
    let expected = Body {
        site: SiteId(Uuid::parse_str(SITE).unwrap()),
        member: Some(MemberId(john)),
        identity: Some(Claim::Caller(caller)),
        elevated: Some(false),
    };
    assert_eq!(request.body, expected);
}

#[test]
fn optional_fields_may_be_absent_or_null_and_unknown_ones_are_ignored() {
    let absent = decoded(&body("")).body;
    assert_eq!((absent.member, absent.identity, absent.elevated), (None, None, None));
    assert_eq!(decoded(&body(r#","memberId":null,"identity":null,"elevated":null"#)).body, absent);
    assert_eq!(decoded(&body(r#","requestedAt":[{"memberId":1e300}],"x":{"identity":7}"#)).body, absent);
    let nulls = identity(&format!(r#""memberId":null,"appId":"{JOHN}","identityType":"APP","wixUserId":null,"x":[]"#));
    assert!(matches!(
        decoded(&nulls).body.identity,
        Some(Claim::Caller(Caller { identity_type: IdentityType::App, .. }))
    ));
}

#[test]
fn an_unknown_identity_is_no_identity_with_or_without_an_id() {
    for fields in [r#""identityType":"UNKNOWN""#, &format!(r#""identityType":"UNKNOWN","memberId":"{JOHN}""#)] {
        assert_eq!(decoded(&identity(fields)).body.identity, Some(Claim::Unknown));
    }
}

#[test]
fn guids_are_36_characters_in_any_case() {
    let upper = body(&format!(r#","memberId":"{}""#, JOHN.to_uppercase()));
    assert_eq!(decoded(&upper).body.member.map(|member| member.to_string()).as_deref(), Some(JOHN));
}

#[test]
fn properties_and_headers_decode_up_to_their_limits() {
    type Change = fn(&mut Incoming);
    let rows: [Change; 8] = [
        |it| it.message_id = Some("~".repeat(128).into()),
        |it| it.kind = Some("join-community.v1".into()),
        |it| it.content_type = Some("application/json".into()),
        |it| it.content_type = Some("Application/JSON ; charset=UTF-8".into()),
        |it| it.correlation_id = Some("x".repeat(255).into()),
        |it| it.authorization = Some("x".repeat(8 * 1024).into()),
        |it| it.traceparent = Some("x".repeat(512).into()),
        |it| it.tracestate = Some("x".repeat(512).into()),
    ];
    for (row, change) in rows.into_iter().enumerate() {
        let mut message = incoming(body(""));
        change(&mut message);
        let decoded = decode(&message).unwrap_or_else(|malformed| panic!("row {row}: {malformed}"));
        assert_eq!((decoded.traceparent, decoded.tracestate), (None, None));
    }
}

#[test]
fn a_request_is_to_join_unless_its_type_says_that_it_is_to_leave() {
    for (kind, method) in
        [(None, Method::Join), (Some("join-community.v1"), Method::Join), (Some("leave-community.v1"), Method::Leave)]
    {
        let message = Incoming { kind: kind.map(Into::into), ..incoming(body("")) };
        assert_eq!(decode(&message).unwrap().method, method, "{kind:?}");
    }
}

#[test]
fn a_state_counts_only_beside_a_valid_parent() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (traceparent, expected) in [(parent, Some("rojo=1")), ("nonsense", None), ("", None)] {
        let trace =
            Incoming { traceparent: Some(traceparent.into()), tracestate: Some("rojo=1".into()), ..incoming(body("")) };
        assert_eq!(decode(&trace).unwrap().tracestate.as_deref(), expected, "{traceparent}");
    }
}

fn guids() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn drafts() -> impl Strategy<Value = Draft> {
    let callers = (0..IdentityType::ALL.len(), guids())
        .prop_map(|(kind, id)| Caller { identity_type: IdentityType::ALL[kind], id });
    (guids(), option::of(guids()), option::of(callers), option::of(any::<bool>())).prop_map(
        |(site, member, identity, elevated)| Draft {
            site: SiteId(site),
            member: member.map(MemberId),
            identity,
            elevated,
        },
    )
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(draft in drafts()) {
        let Body { site, member, identity, elevated } = decode(&incoming(encode(&draft)))?.body;
        let identity = identity.map(|claim| match claim {
            Claim::Caller(caller) => caller,
            Claim::Unknown => panic!("{draft:?} became unknown"),
        });
        assert_eq!(Draft { site, member, identity, elevated }, draft);
    }

    #[test]
    fn arbitrary_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        drop(decode(&incoming(bytes)));
    }

    #[test]
    fn a_damaged_request_decodes_or_is_refused(
        draft in drafts(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0..3), 1..8),
    ) {
        let mut bytes = encode(&draft);
        for (place, byte, way) in damage {
            let place = place.index(bytes.len());
            match way {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => bytes.truncate(place.max(1)),
            }
        }
        if let Err(malformed) = decode(&incoming(bytes)) {
            assert!(malformed.pointer.is_some(), "{malformed:?}");
        }
    }
}
