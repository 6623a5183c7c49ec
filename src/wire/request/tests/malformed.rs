//! One row for each way in which a message can be no request: the place and the rule that its sender is told.

use super::super::{Incoming, Malformed, decode};
use super::{JOHN, body, identity, incoming};

fn refused(incoming: &Incoming) -> (Option<String>, String, &'static str) {
    let Malformed { pointer, field, rule, description } = decode(incoming).expect_err("it decoded");
    assert!(!description.is_empty());
    (pointer, field, rule)
}

#[track_caller]
fn refuses(body: impl Into<Vec<u8>>, pointer: &str, field: &str, rule: &'static str) {
    assert_eq!(refused(&incoming(body)), (Some(pointer.to_owned()), field.to_owned(), rule));
}

#[test]
fn a_property_or_header_of_the_wrong_form_is_named() {
    type Change = fn(&mut Incoming);
    let rows: [(Change, &str, &str); 20] = [
        (|it| it.message_id = None, "messageId", "REQUIRED"),
        (|it| it.message_id = Some("".into()), "messageId", "REQUIRED"),
        (|it| it.message_id = Some("x".repeat(129).into()), "messageId", "MAX_LENGTH"),
        (|it| it.message_id = Some("réquest".into()), "messageId", "FORMAT"),
        (|it| it.message_id = Some("two words".into()), "messageId", "FORMAT"),
        (|it| it.message_id = Some("nul\0".into()), "messageId", "FORMAT"),
        (|it| it.kind = Some("join-community.v2".into()), "type", "UNKNOWN_VALUE"),
        (|it| it.kind = Some("leave-community.v2".into()), "type", "UNKNOWN_VALUE"),
        (|it| it.kind = Some("".into()), "type", "UNKNOWN_VALUE"),
        (|it| it.content_type = Some("text/plain".into()), "contentType", "UNKNOWN_VALUE"),
        (|it| it.content_type = Some("application/json5".into()), "contentType", "UNKNOWN_VALUE"),
        (|it| it.content_type = Some("".into()), "contentType", "UNKNOWN_VALUE"),
        (|it| it.content_encoding = Some("gzip".into()), "contentEncoding", "UNKNOWN_VALUE"),
        (|it| it.content_encoding = Some("utf-8".into()), "contentEncoding", "UNKNOWN_VALUE"),
        (|it| it.correlation_id = Some("x".repeat(256).into()), "correlationId", "MAX_LENGTH"),
        (|it| it.authorization = Some("x".repeat(8 * 1024 + 1).into()), "authorization", "MAX_LENGTH"),
        (|it| it.traceparent = Some("x".repeat(513).into()), "traceparent", "MAX_LENGTH"),
        (|it| it.tracestate = Some("x".repeat(513).into()), "tracestate", "MAX_LENGTH"),
        (|it| it.traceparent = Some("é".repeat(257).into()), "traceparent", "MAX_LENGTH"),
        (|it| it.authorization = Some("é".repeat(4097).into()), "authorization", "MAX_LENGTH"),
    ];
    for (change, field, rule) in rows {
        let mut message = incoming(body(""));
        change(&mut message);
        assert_eq!(refused(&message), (None, field.to_owned(), rule));
    }
}

#[test]
fn a_body_that_is_no_json_object_is_refused_as_a_whole() {
    for text in ["", " ", "joinCommunity()", "{", "\u{feff}{}", "{}{}", "{\"siteId\":", "\0", "{'siteId':1}"] {
        refuses(text, "", "body", "JSON");
    }
    for text in ["null", "7", "\"text\"", "true", "[]", &format!("[{}]", body(""))] {
        refuses(text, "", "body", "TYPE");
    }
    refuses(&b"{\"siteId\":\"\xc3\x28\"}"[..], "", "body", "UTF8");
    refuses(body(&format!(r#","x":{}"#, "9".repeat(10_000))), "", "body", "JSON");
}

#[test]
fn a_body_beyond_its_bounds_is_refused_before_it_costs_anything() {
    refuses(vec![b' '; 1024 * 1024], "", "body", "MAX_SIZE");
    refuses(body(&format!(r#","x":"{}""#, "x".repeat(64 * 1024))), "", "body", "MAX_SIZE");
    let full = body("");
    assert!(decode(&incoming(format!("{full}{}", " ".repeat(64 * 1024 - full.len())))).is_ok());
    refuses(format!("{full}{}", " ".repeat(64 * 1024 + 1 - full.len())), "", "body", "MAX_SIZE");

    let nested = |levels: usize| body(&format!(r#","x":{}{}"#, "[".repeat(levels), "]".repeat(levels)));
    assert!(decode(&incoming(nested(15))).is_ok());
    let deepest = format!("/x{}", "/0".repeat(15));
    let dotted = format!("x{}", "[0]".repeat(15));
    refuses(nested(16), &deepest, &dotted, "MAX_DEPTH");
    refuses(nested(10_000), &deepest, &dotted, "MAX_DEPTH");
}

#[test]
fn a_key_that_stands_twice_is_refused_wherever_it_stands() {
    refuses(body(r#","siteId":null"#), "/siteId", "siteId", "DUPLICATE_KEY");
    refuses(body(r#","elevated":false,"elevated":true"#), "/elevated", "elevated", "DUPLICATE_KEY");
    refuses(body(r#","elevated":false,"\u0065levated":true"#), "/elevated", "elevated", "DUPLICATE_KEY");
    refuses(body(r#","x":{"y":[1,{"z":1,"z":1}]}"#), "/x/y/1/z", "x.y[1].z", "DUPLICATE_KEY");
    let twice = identity(r#""identityType":"UNKNOWN","identityType":"MEMBER""#);
    refuses(twice, "/identity/identityType", "identity.identityType", "DUPLICATE_KEY");
}

#[test]
fn nul_is_refused_wherever_it_stands() {
    refuses(body(r#","x":"\u0000""#), "/x", "x", "FORMAT");
    refuses(body(r#","a/b":[0,"x\u0000y"]"#), "/a~1b/1", "a/b[1]", "FORMAT");
    refuses(body(r#","\u0000":1"#), "/\\0", "\\0", "FORMAT");
    refuses(body(r#","memberId":"7d368843-6f0c-4037-8d0e-b7e36a8a0c3\u0000""#), "/memberId", "memberId", "FORMAT");
}

#[test]
fn a_value_of_the_wrong_type_is_named() {
    refuses("{}", "/siteId", "siteId", "REQUIRED");
    for value in ["null", "7", "true", "[]", "{}"] {
        refuses(format!(r#"{{"siteId":{value}}}"#), "/siteId", "siteId", "TYPE");
    }
    for value in ["7", "-1.5", "true", "[]", "{}"] {
        refuses(body(&format!(r#","memberId":{value}"#)), "/memberId", "memberId", "TYPE");
        let id = identity(&format!(r#""identityType":"MEMBER","memberId":{value}"#));
        refuses(id, "/identity/memberId", "identity.memberId", "TYPE");
    }
    for value in ["7", "\"MEMBER\"", "true", "[]", "[{}]"] {
        refuses(body(&format!(r#","identity":{value}"#)), "/identity", "identity", "TYPE");
    }
    for value in ["0", "1", "\"true\"", "[]", "{}"] {
        refuses(body(&format!(r#","elevated":{value}"#)), "/elevated", "elevated", "TYPE");
    }
    for value in ["null", "1", "[]", "{}", "true"] {
        let kind = identity(&format!(r#""identityType":{value}"#));
        refuses(kind, "/identity/identityType", "identity.identityType", "TYPE");
    }
}

#[test]
fn an_identity_that_contradicts_itself_is_refused() {
    for (fields, pointer, field, rule) in [
        (r#""memberId":"ID","identityType":"MEMBER","appId":"ID""#, "/identity", "identity", "ONE_OF"),
        (r#""memberId":"ID","identityType":"UNKNOWN","appId":"ID""#, "/identity", "identity", "ONE_OF"),
        (r#""identityType":"MEMBER","appId":"ID""#, "/identity/appId", "identity.appId", "ONE_OF"),
        (r#""identityType":"MEMBER""#, "/identity/memberId", "identity.memberId", "REQUIRED"),
        (r#""identityType":"WIX_USER","wixUserId":null"#, "/identity/wixUserId", "identity.wixUserId", "REQUIRED"),
        (r#""memberId":"ID""#, "/identity/identityType", "identity.identityType", "REQUIRED"),
        ("", "/identity/identityType", "identity.identityType", "REQUIRED"),
        (r#""identityType":"OWNER""#, "/identity/identityType", "identity.identityType", "UNKNOWN_VALUE"),
        (r#""identityType":"member""#, "/identity/identityType", "identity.identityType", "UNKNOWN_VALUE"),
        (r#""identityType":"APP","appId":"ID-""#, "/identity/appId", "identity.appId", "FORMAT"),
    ] {
        refuses(identity(&fields.replace("ID\"", &format!("{JOHN}\""))).replace("ID-", "canary"), pointer, field, rule);
    }
}

#[test]
fn a_refusal_repeats_no_value() {
    for text in [
        r#"{"siteId":"canary"}"#,
        r#"{"siteId":["canary"]}"#,
        r#"{"siteId":canary}"#,
        r#"{"x":"canary\u0000"}"#,
        &identity(r#""identityType":"canary""#),
        &body(r#","elevated":"canary""#),
    ] {
        let malformed = decode(&incoming(text)).unwrap_err();
        assert!(!format!("{malformed} {malformed:?}").contains("canary"), "{malformed:?}");
    }
    let secret = Incoming { kind: Some("canary".into()), ..incoming(body("")) };
    assert!(!format!("{:?}", decode(&secret)).contains("canary"));
}

#[test]
fn a_guid_in_another_spelling_is_refused() {
    let plain = JOHN.replace('-', "");
    for spelling in [
        "",
        " ",
        &format!("{{{JOHN}}}"),
        &format!("urn:uuid:{JOHN}"),
        &plain,
        &format!("{plain}1234"),
        &format!(" {JOHN}"),
        &JOHN[1..],
        &JOHN.replace('7', "g"),
        &JOHN.replace('7', "\u{ff17}"),
        &JOHN.replace('-', "_"),
    ] {
        refuses(body(&format!(r#","memberId":"{spelling}""#)), "/memberId", "memberId", "FORMAT");
    }
    refuses(format!(r#"{{"siteId":"{plain}"}}"#), "/siteId", "siteId", "FORMAT");
}
