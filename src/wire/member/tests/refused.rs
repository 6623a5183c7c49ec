//! One row for each way in which a line can hold no member.

use proptest::prelude::{any, proptest};

use super::super::parse;

const ID: &str = r#""id":"7d368843-6f0c-4037-8d0e-b7e36a8a0c32""#;

#[track_caller]
fn refuses(line: &str, pointer: &str, said: &str) {
    let invalid = parse(line.as_bytes()).expect_err(line);
    assert_eq!(invalid.pointer, pointer, "{line}: {invalid}");
    assert!(invalid.description.contains(said), "{line}: {invalid}");
}

#[track_caller]
fn refuses_field(field: &str, pointer: &str, said: &str) {
    refuses(&format!("{{{ID},{field}}}"), pointer, said);
    let wrapped = format!(r#"{{"member":{{{ID},{field}}}}}"#);
    refuses(&wrapped, &format!("/member{pointer}"), said);
}

#[test]
fn what_is_no_object_is_refused_as_a_whole() {
    for line in ["", "{", "member", "{} {}"] {
        refuses(line, "", "JSON document");
    }
    refuses("\u{feff}{}", "", "byte order mark");
    for line in ["[]", "null", "7", "\"text\""] {
        refuses(line, "", "must be a JSON object");
    }
    assert_eq!(parse(b"{\"id\":\"\xff\"}").unwrap_err().pointer, "");
}

#[test]
fn a_member_without_an_id_is_refused() {
    refuses("{}", "/id", "is required");
    refuses(r#"{"id":null}"#, "/id", "is required");
    refuses(r#"{"member":{}}"#, "/member/id", "is required");
    refuses(r#"{"member":null}"#, "/member", "must be an object");
    refuses(r#"{"id":"7d3688436f0c40378d0eb7e36a8a0c32"}"#, "/id", "GUID");
    refuses(r#"{"_id":7}"#, "/_id", "GUID");
}

#[test]
fn both_names_of_one_field_are_refused() {
    refuses_field(r#""_id":"7d368843-6f0c-4037-8d0e-b7e36a8a0c32""#, "/_id", "as `id` and as `_id`");
    let both = r#""createdDate":"2024-02-22T13:52:00Z","_createdDate":"2024-02-22T13:52:00Z""#;
    refuses_field(both, "/_createdDate", "as `createdDate` and as `_createdDate`");
    let addresses = r#""contact":{"addresses":[{},{"_id":"","id":""}]}"#;
    refuses_field(addresses, "/contact/addresses/1/id", "as `id` and as `_id`");
    refuses_field(r#""profile":{"photo":{"_id":"","id":""}}"#, "/profile/photo/id", "as `id` and as `_id`");
}

#[test]
fn a_key_that_stands_twice_and_nul_are_refused_wherever_they_stand() {
    refuses_field(
        r#""contact":{"customFields":{"a":{"value":{"x":1,"x":2}}}}"#,
        "/contact/customFields/a/value/x",
        "twice",
    );
    refuses_field(r#""unknown":1,"unknown":1"#, "/unknown", "twice");
    refuses_field(r#""unknown":[{"a":"\u0000"}]"#, "/unknown/0/a", "NUL");
    refuses_field(r#""contact":{"customFields":{"a\u0000":1}}"#, "/contact/customFields/a\\0", "NUL");
}

#[test]
fn a_mask_is_no_state() {
    for field in ["status", "privacyStatus", "activityStatus"] {
        refuses_field(&format!(r#""{field}":"UNKNOWN""#), &format!("/{field}"), "UNKNOWN is what a reader");
        refuses_field(&format!(r#""{field}":"canary""#), &format!("/{field}"), "must be one of");
        refuses_field(&format!("\"{field}\":\"\""), &format!("/{field}"), "must be one of");
    }
}

#[test]
fn what_is_masked_is_refused_before_it_takes_the_place_of_what_it_hides() {
    let hidden = ["loginEmail", "loginEmailVerified", "contactId", "contact", "profile", "lastLoginDate", "(masked)"];
    for name in hidden {
        refuses_field(&format!(r#""{name}":"(masked)""#), &format!("/{name}"), "is masked");
    }
    let nickname = format!(r#"{{{ID},"profile":{{"nickname":"(masked)"}}}}"#);
    assert!(parse(nickname.as_bytes()).is_ok(), "who calls himself so may");
}

#[test]
fn a_known_value_of_another_form_is_named() {
    for (field, pointer, said) in [
        (r#""loginEmail":7"#, "/loginEmail", "must be text"),
        (r#""loginEmailVerified":"true""#, "/loginEmailVerified", "true or false"),
        (r#""status":true"#, "/status", "must be one of"),
        (r#""contactId":"""#, "/contactId", "GUID"),
        (r#""contact":[]"#, "/contact", "must be an object"),
        (r#""contact":{"phones":"1"}"#, "/contact/phones", "must be a list"),
        (r#""contact":{"phones":["1",null]}"#, "/contact/phones/1", "must be text"),
        (r#""contact":{"emails":[{}]}"#, "/contact/emails/0", "must be text"),
        (r#""contact":{"addresses":["x"]}"#, "/contact/addresses/0", "must be an object"),
        (r#""contact":{"addresses":[{"city":1}]}"#, "/contact/addresses/0/city", "must be text"),
        (r#""contact":{"customFields":[]}"#, "/contact/customFields", "must be an object"),
        (r#""contact":{"firstName":{}}"#, "/contact/firstName", "must be text"),
        (r#""profile":"x""#, "/profile", "must be an object"),
        (r#""profile":{"photo":"x"}"#, "/profile/photo", "must be an object"),
        (r#""profile":{"cover":{"height":"0"}}"#, "/profile/cover/height", "must be a number"),
        (r#""createdDate":1708609920000"#, "/createdDate", "must be a time"),
        (r#""updatedDate":"yesterday""#, "/updatedDate", "must be a time"),
        (r#""lastLoginDate":{"$date":"2024-02-22T13:52:00Z"}"#, "/lastLoginDate", "must be a time"),
    ] {
        refuses_field(field, pointer, said);
    }
}

#[test]
fn a_member_beyond_the_bounds_is_refused() {
    // The fixed fields, the quotes of an e-mail address, and what frames the text.
    let room = 256 * 1024 - 512 - 2 - r#"{"x":""}"#.len();
    let padded = |length: usize| format!(r#"{{{ID},"x":"{}"}}"#, "x".repeat(length));
    assert!(parse(padded(room).as_bytes()).is_ok());
    refuses(&padded(room + 1), "", "must not be larger than 262144 bytes; as it is exported it may have 262145");
    let spaced = |length: usize| format!(r#"{{{ID},"x":1{}}}"#, " ".repeat(length - ID.len() - 8));
    assert!(parse(spaced(1024 * 1024).as_bytes()).is_ok());
    refuses(&spaced(1024 * 1024 + 1), "", "must not be longer than 1048576 bytes; it has 1048577");
    let nested = |levels: usize| format!(r#"{{{ID},"x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    assert!(parse(nested(59).as_bytes()).is_ok());
    refuses(&nested(60), &format!("/x{}", "/0".repeat(59)), "nested too deeply");
    refuses(&nested(100_000), &format!("/x{}", "/0".repeat(59)), "nested too deeply");
}

#[test]
fn a_refusal_repeats_no_value() {
    for field in [r#""loginEmail":["canary"]"#, r#""status":"canary""#, r#""createdDate":"canary""#, r#""x":canary"#] {
        let invalid = parse(format!("{{{ID},{field}}}").as_bytes()).unwrap_err();
        assert!(!format!("{invalid} {invalid:?}").contains("canary"), "{invalid:?}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_a_member_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..1024)) {
        drop(parse(&bytes));
    }

    #[test]
    fn a_damaged_member_is_a_member_or_refused(place in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = super::CLAUDE.as_bytes().to_vec();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        drop(parse(&bytes));
    }
}
