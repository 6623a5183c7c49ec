//! Bodies that are no request: each is answered with where and why, kept as a dead letter that explains itself, and
//! nobody beside it notices.

use join_community::wire::copy::body_digest;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{DeadLetter, Installation, JOINABLE, Message};

/// A malformed body, and what is to be said of it: the field, the rule, and the JSON pointer.
struct Bad(&'static str, Vec<u8>, &'static str, &'static str, String);

#[tokio::test]
async fn a_malformed_body_is_answered_and_dead_lettered_and_its_neighbours_join() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let cases: Vec<Bad> = syntax(site).into_iter().chain(types(site)).chain(identities(site)).collect();
    let members = installation.members(site, JOINABLE, cases.len()).await;

    // All at once, each beside a good one: they come in the same batches.
    let bad: Vec<Message> = cases.iter().map(|bad| Message::bytes(bad.1.clone())).collect();
    let good: Vec<Message> = members.iter().map(|member| Message::join(site, *member)).collect();
    let mixed: Vec<Message> = bad.iter().zip(&good).flat_map(|(bad, good)| [bad.clone(), good.clone()]).collect();
    producer.send_all(&mixed).await;

    for (message, Bad(what, _, field, rule, _)) in bad.iter().zip(&cases) {
        let answer = producer.answer_to(message).await;
        assert_eq!((answer.status, answer.violation()), (400, (*field, *rule)), "{what}");
        assert!(answer.body["message"].as_str().unwrap().starts_with("INVALID_ARGUMENT"), "{what}");
    }
    for message in &good {
        assert_eq!(producer.answer_to(message).await.status, 200);
    }
    let letters = installation.dead_letters(u32::try_from(cases.len()).unwrap()).await;
    for (message, Bad(what, body, _, _, pointer)) in bad.iter().zip(&cases) {
        let letter = letters.iter().find(|letter| letter.message_id() == Some(message.request_id()));
        assert_explained(letter.unwrap_or_else(|| panic!("{what}: no dead letter")), pointer, what);
        assert_body_kept(letter.unwrap(), body, what);
    }
    assert_eq!(installation.requests(site).await.len(), good.len());
    worker.stop().await;
    assert_eq!(installation.depth("join-community.requests").await, 0);
}

/// A body for a site and a member.
type Shape = fn(&str, &str) -> String;

#[tokio::test]
async fn what_only_looks_odd_is_a_request() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let upper = |id: Uuid| id.to_string().to_uppercase();
    let shapes: [(&str, Shape); 4] = [
        ("unknown fields", |site, member| {
            let body =
                json!({ "siteId": site, "memberId": member, "identity": identity(member), "x": { "y": [1.5, null] } });
            body.to_string()
        }),
        ("absence written as null", |site, member| {
            json!({ "siteId": site, "memberId": null, "identity": identity(member), "elevated": null }).to_string()
        }),
        ("sixteen levels", |site, member| {
            let deep = format!("{}{}", "[".repeat(15), "]".repeat(15));
            format!(r#"{{"siteId":"{site}","identity":{},"x":{deep}}}"#, identity(member))
        }),
        ("64 KiB", |site, member| {
            let body = json!({ "siteId": site, "identity": identity(member) }).to_string();
            format!("{body}{}", " ".repeat(64 * 1024 - body.len()))
        }),
    ];
    for (what, shape) in shapes {
        // GUIDs come in any case, and are kept in lower case.
        let member = installation.member(site, JOINABLE).await;
        let answer = producer.ask(&Message::bytes(shape(&upper(site), &upper(member)))).await;
        assert_eq!((answer.status, &answer.body["member"]["id"]), (200, &json!(member)), "{what}: {answer:?}");
        assert_eq!(installation.record(site, member).await.unwrap().privacy, "PUBLIC", "{what}");
    }
    assert_eq!(installation.depth("join-community.dead-letters").await, 0);
    worker.stop().await;
}

fn identity(member: &str) -> Value {
    json!({ "identityType": "MEMBER", "memberId": member })
}

fn syntax(site: Uuid) -> Vec<Bad> {
    let bad = |what, body: &[u8], field, rule, pointer: &str| Bad(what, body.to_vec(), field, rule, pointer.to_owned());
    let with = |more: &str| format!(r#"{{"siteId":"{site}",{more}}}"#).into_bytes();
    let brackets = [vec![b'['; 10_000], vec![b']'; 10_000]].concat();
    let deep = [br#"{"x":"#.as_slice(), &brackets, b"}"].concat();
    vec![
        bad("no JSON", b"join me", "body", "JSON", ""),
        bad("nothing", b"", "body", "JSON", ""),
        bad("JSON cut off", br#"{"siteId":"#, "body", "JSON", ""),
        bad("two documents", &[with(r#""x":1"#), with(r#""x":1"#)].concat(), "body", "JSON", ""),
        bad("a byte order mark", &[b"\xef\xbb\xbf".as_slice(), &with(r#""x":1"#)].concat(), "body", "JSON", ""),
        bad("bytes that are no UTF-8", b"{\"siteId\":\"\xff\"}", "body", "UTF8", ""),
        bad("a key twice", &with(&format!(r#""siteId":"{site}""#)), "siteId", "DUPLICATE_KEY", "/siteId"),
        bad("a key twice where nobody reads", &with(r#""x":{"a":1,"a":2}"#), "x.a", "DUPLICATE_KEY", "/x/a"),
        bad("a key twice in disguise", &with(r#""x":{"a":1,"\u0061":2}"#), "x.a", "DUPLICATE_KEY", "/x/a"),
        bad("NUL in text", &with(r#""memberId":"a\u0000""#), "memberId", "FORMAT", "/memberId"),
        bad("NUL where nobody reads", &with(r#""x":["\u0000"]"#), "x[0]", "FORMAT", "/x/0"),
        bad(
            "a depth of 10,000",
            &deep,
            concat!("x[0][0][0][0][0][0][0][0]", "[0][0][0][0][0][0][0]"),
            "MAX_DEPTH",
            &format!("/x{}", "/0".repeat(15)),
        ),
        bad("a number beyond all bounds", &with(&format!(r#""x":{}"#, "9".repeat(20_000))), "body", "JSON", ""),
        bad("64 KiB and a byte", &vec![b' '; 64 * 1024 + 1], "body", "MAX_SIZE", ""),
        bad("1 MiB", &vec![b'['; 1024 * 1024], "body", "MAX_SIZE", ""),
    ]
}

fn types(site: Uuid) -> Vec<Bad> {
    let bad = |what, body: Value, field: &'static str, rule| {
        Bad(what, body.to_string().into_bytes(), field, rule, format!("/{field}"))
    };
    let spelled = |what, id: String| bad(what, json!({ "siteId": id }), "siteId", "FORMAT");
    let root = |what, body: Value| Bad(what, body.to_string().into_bytes(), "body", "TYPE", String::new());
    vec![
        root("an array", json!([{ "siteId": site }])),
        root("a text", json!("siteId")),
        root("null", Value::Null),
        bad("no site", json!({ "memberId": site }), "siteId", "REQUIRED"),
        bad("a number for a site", json!({ "siteId": 1 }), "siteId", "TYPE"),
        bad("null for a site", json!({ "siteId": null }), "siteId", "TYPE"),
        bad("true for a member", json!({ "siteId": site, "memberId": true }), "memberId", "TYPE"),
        bad("a list of members", json!({ "siteId": site, "memberId": [site] }), "memberId", "TYPE"),
        bad("a text for an identity", json!({ "siteId": site, "identity": "MEMBER" }), "identity", "TYPE"),
        bad("a text for elevated", json!({ "siteId": site, "elevated": "true" }), "elevated", "TYPE"),
        spelled("a GUID without dashes", site.simple().to_string()),
        spelled("a GUID in braces", site.braced().to_string()),
        spelled("a GUID as a URN", site.urn().to_string()),
        spelled("a GUID and a space", format!("{site} ")),
        spelled("36 characters that are no GUID", "g".repeat(36)),
        spelled("36 bytes that are no ASCII", "é".repeat(18)),
    ]
}

fn identities(site: Uuid) -> Vec<Bad> {
    let bad = |what, identity: Value, field, rule, pointer: &str| {
        Bad(
            what,
            json!({ "siteId": site, "identity": identity }).to_string().into_bytes(),
            field,
            rule,
            pointer.to_owned(),
        )
    };
    let (kind, kind_at) = ("identity.identityType", "/identity/identityType");
    vec![
        bad(
            "an identity with two ids",
            json!({ "identityType": "MEMBER", "memberId": site, "appId": site }),
            "identity",
            "ONE_OF",
            "/identity",
        ),
        bad(
            "the id of another type",
            json!({ "identityType": "MEMBER", "appId": site }),
            "identity.appId",
            "ONE_OF",
            "/identity/appId",
        ),
        bad(
            "an identity without id",
            json!({ "identityType": "MEMBER" }),
            "identity.memberId",
            "REQUIRED",
            "/identity/memberId",
        ),
        bad("an identity without type", json!({ "memberId": site }), kind, "REQUIRED", kind_at),
        bad("an identity of no type", json!({ "identityType": "ADMIN" }), kind, "UNKNOWN_VALUE", kind_at),
        bad(
            "a type in lower case",
            json!({ "identityType": "member", "memberId": site }),
            kind,
            "UNKNOWN_VALUE",
            kind_at,
        ),
        bad("a number for a type", json!({ "identityType": 1 }), kind, "TYPE", kind_at),
    ]
}

/// What a dead letter says of itself: why, where, how often, since when, and where it was sent to.
fn assert_explained(letter: &DeadLetter, pointer: &str, what: &str) {
    assert_eq!(letter.header("x-join-community-reason"), "malformed", "{what}");
    // Cut where a stranger's nesting would make a header of any length.
    assert_eq!(letter.header("x-join-community-pointer"), pointer, "{what}");
    assert!(letter.header("x-join-community-error").len() > 20, "{what}");
    assert_eq!(letter.headers["x-join-community-attempts"], 0, "{what}");
    assert_eq!(letter.header("x-join-community-exchange"), "join-community", "{what}");
    assert_eq!(letter.header("x-join-community-routing-key"), "request", "{what}");
    assert_eq!(letter.header("x-join-community-version"), env!("CARGO_PKG_VERSION"), "{what}");
    let (seen, arrived) = (letter.header("x-join-community-first-seen"), letter.header("x-join-community-arrived"));
    let age = time::OffsetDateTime::now_utc()
        - time::OffsetDateTime::parse(seen, &time::format_description::well_known::Rfc3339).unwrap();
    assert!(seen == arrived && age.is_positive() && age < time::Duration::minutes(5), "{what}: {seen} {arrived}");
    let user = letter.properties.user_id().as_ref().map(lapin::types::ShortString::as_str);
    assert_eq!((user, *letter.properties.delivery_mode()), (Some("join-worker"), Some(2)), "{what}");
}

fn assert_body_kept(letter: &DeadLetter, body: &[u8], what: &str) {
    if body.len() <= 64 * 1024 {
        assert!(letter.body == body, "{what}: another body");
        return;
    }
    assert!(letter.body == body[..1024], "{what}: not the first KiB");
    assert_eq!(letter.headers["x-join-community-body-size"], body.len(), "{what}");
    assert_eq!(letter.header("x-join-community-body-sha256"), body_digest(body), "{what}");
}
