//! What is on record, as the console finds it.

use join_community::domain::Control;
use join_community::operations::Dependency;
use join_community::postgres::Terms;
use reqwest::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Caller, Installation, JOINABLE, MemberSpec, Message, ask_for_tokens};

#[tokio::test]
async fn a_request_is_found_by_id_member_verdict_and_time_and_explained() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    let blocked = installation.member(site, MemberSpec { status: "BLOCKED", ..JOINABLE }).await;
    let (joined, rejected) = (Message::join(site, member), Message::join(site, blocked).id("a/b?c#d"));
    assert_eq!(producer.ask(&joined).await.status, 200);
    assert_eq!(producer.ask(&rejected).await.status, 428);
    installation.outbox_is_empty().await;

    let viewer = Caller::of(&worker).bearing("viewer");
    let ids = async |query: &str| {
        let found = viewer.get(&format!("/api/v1/requests?{query}")).await;
        assert_eq!(found.status, StatusCode::OK, "{query}: {found:?}");
        let found = found.json();
        let ids = found["requests"].as_array().unwrap().iter().map(|request| request["requestId"].clone());
        ids.map(|id| id.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (one, other) = (joined.request_id().to_owned(), "a/b?c#d".to_owned());
    let both = ids(&format!("site={site}")).await;
    assert!(both.len() == 2 && both.contains(&one) && both.contains(&other), "{both:?}");
    for (query, expected) in [
        (format!("id={one}"), Some(&one)),
        (format!("id={one}&site={}", Uuid::new_v4()), None),
        (format!("site={site}&member={member}"), Some(&one)),
        (format!("site={site}&verdict=joined"), Some(&one)),
        (format!("site={site}&verdict=BLOCKED&member={blocked}"), Some(&other)),
        (format!("site={site}&verdict=COMMUNITY_JOIN_IMPOSSIBLE&since=2026-01-01T00:00:00Z"), Some(&other)),
        (format!("site={site}&until=2026-01-01T00:00:00Z"), None),
    ] {
        assert_eq!(ids(&query).await, expected.into_iter().cloned().collect::<Vec<_>>(), "{query}");
    }
    for wrong in ["", "member=7", "site=7", "id=%20%7f", "site=7d368843-6f0c-4037-8d0e-b7e36a8a0c32&since=soon"] {
        let refused = viewer.get(&format!("/api/v1/requests?{wrong}")).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let explained = viewer.get("/api/v1/requests/a%2Fb%3Fc%23d").await.json();
    assert_eq!((&explained[0]["status"], &explained[0]["reason"]), (&428.into(), &"BLOCKED".into()));
    assert_eq!(explained[0]["changed"], "nothing");
    let page = viewer.get(&format!("/requests/{one}")).await;
    assert!(page.text.contains("<dd>privacyStatus PRIVATE → PUBLIC</dd>"), "{}", page.text);
    assert_eq!(viewer.get("/api/v1/requests/unheard-of").await.status, StatusCode::NOT_FOUND);
    let page = viewer.get("/requests/a%2Fb%3Fc%23d").await;
    assert!(page.text.contains("rejected (428) COMMUNITY_JOIN_IMPOSSIBLE, BLOCKED"), "{}", page.text);
    let page = viewer.get(&format!("/requests?site={site}")).await;
    assert!(page.text.contains("href=\"/requests/a%2Fb%3Fc%23d\""), "{}", page.text);
    worker.stop().await;
}

#[tokio::test]
async fn of_a_request_without_a_verdict_it_is_said_which_dead_letter_it_became() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let malformed = Message::json(&json!({ "siteId": Uuid::new_v4(), "memberId": 7 })).id("given-up");
    assert_eq!(installation.producer().await.ask(&malformed).await.status, 400);
    installation.until_holds("join-community.dead-letters", 1).await;
    let operator = Caller::of(&worker).bearing("operator");
    let unread = operator.get("/api/v1/requests/given-up").await;
    assert_eq!(unread.status, StatusCode::NOT_FOUND, "{unread:?}");
    assert!(unread.text.contains("nobody has had the dead letters read"), "{}", unread.text);

    let read = operator.post("/api/v1/dead-letters/reading", &Value::Null).await.json();
    let letter = read["read"]["letters"][0]["id"].as_str().unwrap_or_else(|| panic!("{read}")).to_owned();
    let (words, place) = ("reason malformed, attempts 0", format!("/dead-letters/{letter}"));
    let told = operator.get("/api/v1/requests/given-up").await;
    assert_eq!(told.status, StatusCode::NOT_FOUND, "{told:?}");
    assert!(told.text.contains(&format!("letter {letter}, {words}, at /api/v1{place}")), "{}", told.text);
    for page in ["/requests/given-up", "/requests?id=given-up"] {
        let page = operator.get(page).await.text;
        assert!(page.contains(&format!("href=\"{place}\"")) && page.contains(words), "{page}");
    }
    let by_operator =
        [("JOIN_COMMUNITY__BROKER__OPERATOR_URL", installation.config.broker.operator_url.expose_secret())];
    let said = installation.program_with(&["explain", "given-up"], &by_operator).end().await;
    assert!(said.code == Some(1) && said.stderr.contains(&format!("letter {letter}, {words}")), "{said:?}");

    let elsewhere = "it is not among the 1 of 1 dead letters";
    for path in ["/api/v1/requests/unheard-of", "/requests/unheard-of"] {
        let unknown = operator.get(path).await;
        assert!(unknown.status == StatusCode::NOT_FOUND && unknown.text.contains(elsewhere), "{unknown:?}");
    }
    let said = installation.program_with(&["explain", "unheard-of"], &by_operator).end().await;
    assert!(said.code == Some(1) && said.stderr.contains(elsewhere), "{said:?}");
    worker.stop().await;
}

#[tokio::test]
async fn of_a_dead_letter_it_is_told_when_it_went_to_the_ladder() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let held_up = Message::bytes("{}")
        .id("held-up")
        .text_header("x-join-community-reason", "busy")
        .text_header("x-join-community-retries", "2026-11-24T10:00:00.000Z 1s, 2026-11-24T10:00:01.500Z 5s")
        .to("join-community.internal", "dead-letter");
    installation.producer_as_worker().await.send(&held_up).await;
    installation.until_holds("join-community.dead-letters", 1).await;
    let operator = Caller::of(&worker).bearing("operator");
    let read = operator.post("/api/v1/dead-letters/reading", &Value::Null).await.json();
    let id = read["read"]["letters"][0]["id"].as_str().unwrap_or_else(|| panic!("{read}")).to_owned();
    let [first, second] = [
        ("2026-11-24T10:00:00.000Z", "to the retry ladder, rung 1s"),
        ("2026-11-24T10:00:01.500Z", "to the retry ladder, rung 5s"),
    ];
    let letter = operator.get(&format!("/api/v1/dead-letters/{id}")).await.json();
    let expected = [first, second].map(|(at, what)| json!({ "at": at, "what": what }));
    assert_eq!(letter["history"], json!(expected), "{letter}");
    let page = operator.get(&format!("/dead-letters/{id}")).await.text;
    for (at, what) in [first, second] {
        assert!(page.contains(&format!("<time>{at}</time> {what}")), "{page}");
    }
    let told = format!("({} {}; {} {})", first.0, first.1, second.0, second.1);
    for path in ["/api/v1/requests/held-up", "/requests/held-up"] {
        let unanswered = operator.get(path).await;
        assert!(unanswered.status == StatusCode::NOT_FOUND && unanswered.text.contains(&told), "{unanswered:?}");
    }
    let by_operator =
        [("JOIN_COMMUNITY__BROKER__OPERATOR_URL", installation.config.broker.operator_url.expose_secret())];
    let said = installation.program_with(&["explain", "held-up"], &by_operator).end().await;
    assert!(said.code == Some(1) && said.stderr.contains(&told), "{said:?}");
    worker.stop().await;
}

#[tokio::test]
async fn a_search_goes_on_where_it_ended_and_misses_none() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let mut sent = Vec::new();
    for member in installation.members(site, JOINABLE, 7).await {
        let request = Message::join(site, member);
        assert_eq!(producer.ask(&request).await.status, 200);
        sent.push(request.request_id().to_owned());
    }
    // Newest first: their ids are in the order of time.
    sent.reverse();
    let viewer = Caller::of(&worker).bearing("viewer");
    let (mut found, mut cursor) = (Vec::new(), String::new());
    for _ in 0..4 {
        let answer = viewer.get(&format!("/api/v1/requests?site={site}&limit=2{cursor}")).await.json();
        let ids = answer["requests"].as_array().unwrap().iter().map(|request| request["requestId"].clone());
        found.extend(ids.map(|id| id.as_str().unwrap().to_owned()));
        let Some(next) = answer["next"].as_str() else { break };
        cursor = format!("&cursor={}", next.replace(' ', "%20"));
    }
    assert_eq!(found, sent);
    worker.stop().await;
}

#[tokio::test]
async fn a_timeline_shows_verdict_record_event_and_cache_and_nothing_personal() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    for _ in 0..2 {
        assert_eq!(producer.ask(&Message::join(site, member)).await.status, 200);
    }
    installation.outbox_is_empty().await;
    let viewer = Caller::of(&worker).bearing("viewer");
    let timeline = viewer.get(&format!("/api/v1/members/{site}/{member}/timeline")).await.json();
    assert_eq!(timeline["record"]["privacyStatus"], "PUBLIC", "{timeline}");
    assert_eq!(timeline["record"]["eventSequence"], "17", "{timeline}");
    assert_eq!((&timeline["cache"]["holds"], &timeline["cache"]["eventSequence"]), (&"profile".into(), &"17".into()));
    assert!(timeline["owed"].is_null() && timeline["complete"] == true, "{timeline}");
    let mut steps: Vec<_> =
        timeline["steps"].as_array().unwrap().iter().map(|step| step["what"].as_str().unwrap()).collect();
    steps.sort_unstable();
    assert_eq!(steps, ["cached", "decided", "decided", "event", "received", "received"], "{timeline}");
    let page = viewer.get(&format!("/members/{site}/{member}")).await;
    assert!(
        page.text.contains("already_joined (200)") && page.text.contains("profile at sequence 17"),
        "{}",
        page.text
    );
    let of_event = timeline["steps"].as_array().unwrap().iter().find(|step| step["what"] == "event").unwrap();
    assert!(of_event["text"].as_str().unwrap().ends_with(": confirmed"), "{of_event}");
    for personal in ["jane@example.com", "555", "Jane"] {
        assert!(!page.text.contains(personal) && !timeline.to_string().contains(personal), "{personal} is shown");
    }
    let nobody = viewer.get(&format!("/api/v1/members/{site}/{}/timeline", Uuid::new_v4())).await.json();
    assert!(nobody["record"].is_null() && nobody["cache"]["holds"] == "nothing", "{nobody}");
    worker.stop().await;
}

#[tokio::test]
async fn a_request_is_shown_beside_what_its_member_is_now_and_an_event_that_is_owed_is_called_so() {
    let installation = Installation::with(ask_for_tokens).await;
    for control in [Control::PauseEvents, Control::PauseCache] {
        installation.set(control, Terms::default()).await;
    }
    let worker = installation.start().await;
    for dependency in [Dependency::Publishing, Dependency::Cache] {
        worker.until_held(dependency).await;
    }
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    let request = Message::join(site, member);
    assert_eq!(producer.ask(&request).await.status, 200);
    let viewer = Caller::of(&worker).bearing("viewer");
    let (of_request, of_member) = (format!("/requests/{}", request.request_id()), format!("/members/{site}/{member}"));
    let owing = viewer.get(&of_request).await.text;
    assert!(owing.contains("APPROVED, PUBLIC, at sequence 17") && owing.contains("<dd>nothing</dd>"), "{owing}");
    assert_eq!(owing.matches("not yet: it is owed").count(), 2, "{owing}");
    let owing = viewer.get(&of_member).await.text;
    assert!(owing.contains("owed from then on, and still is"), "{owing}");
    for control in [Control::PauseEvents, Control::PauseCache] {
        installation.release(control).await;
    }
    installation.outbox_is_empty().await;
    let told = viewer.get(&of_request).await.text;
    assert!(told.contains("profile at sequence 17, as the record") && !told.contains("not yet"), "{told}");
    let told = viewer.get(&of_member).await.text;
    assert!(told.contains(": confirmed") && told.contains("the cache has taken it"), "{told}");
    worker.stop().await;
}

#[tokio::test]
async fn the_command_line_says_what_the_api_says() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    let request = Message::join(site, member);
    assert_eq!(producer.ask(&request).await.status, 200);
    installation.outbox_is_empty().await;
    Caller::of(&worker).submit("/login", "token=viewer").await;
    let admin = Caller::of(&worker).bearing("admin");
    let (site, member, id) = (site.to_string(), member.to_string(), request.request_id());
    for (arguments, path) in [
        (&["explain", id][..], format!("/api/v1/requests/{id}")),
        (&["requests", "search", "--site", &site], format!("/api/v1/requests?site={site}")),
        (&["members", "timeline", &site, &member], format!("/api/v1/members/{site}/{member}/timeline")),
        (&["actions"], "/api/v1/actions".to_owned()),
    ] {
        let (mut answer, mut said) = (admin.get(&path).await.json(), installation.says(arguments).await);
        // The console tells of dead letters as they were read last, the command as they lie there now.
        for told in [&mut answer, &mut said] {
            if let Some(fields) = told.as_object_mut() {
                fields.remove("deadLetters");
            }
        }
        assert_eq!(said, answer, "{arguments:?}");
        assert!(answer.to_string().len() > 100, "{answer}");
    }
    let file = std::env::temp_dir().join(format!("join-community-{}", Uuid::new_v4()));
    std::fs::write(&file, "viewer\n").unwrap();
    let at = format!("http://{}", worker.operations().expect("it listens"));
    let told = installation.says(&["overview", "--at", &at, "--token-file", file.to_str().unwrap()]).await;
    std::fs::remove_file(&file).unwrap();
    let keys = |overview: &Value| overview.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&told), keys(&admin.get("/api/v1/overview").await.json()));
    assert!(told["dependencies"].as_array().is_some_and(|all| !all.is_empty()), "{told}");
    let made = installation.says(&["token", "console", "--name", "ana", "--role", "viewer"]).await;
    let token = made["token"].as_str().unwrap();
    assert_eq!(made["sha256"], join_community::console::digest_of(token));
    worker.stop().await;
}
