//! Who may what: each route for each role, wrong tokens, other sites, sessions.

use join_community::config::ConsoleRole;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Caller, Installation, Worker, ask_for_tokens};

/// Each route with the least role that may use it. Whatever the API's document names beside these is missed below.
const ROUTES: &[(&str, &str, ConsoleRole)] = &[
    ("GET", "/metrics", ConsoleRole::Viewer),
    ("GET", "/", ConsoleRole::Viewer),
    ("GET", "/requests", ConsoleRole::Viewer),
    ("GET", "/requests/{id}", ConsoleRole::Viewer),
    ("GET", "/members/{site}/{member}", ConsoleRole::Viewer),
    ("GET", "/dead-letters", ConsoleRole::Viewer),
    ("GET", "/dead-letters/{id}", ConsoleRole::Viewer),
    ("POST", "/dead-letters/reading", ConsoleRole::Operator),
    ("GET", "/dead-letters/discarded", ConsoleRole::Viewer),
    ("GET", "/dead-letters/discarded/{id}", ConsoleRole::Viewer),
    ("POST", "/dead-letters/discarded/reading", ConsoleRole::Operator),
    ("GET", "/dead-letters/replay", ConsoleRole::Viewer),
    ("POST", "/dead-letters/dry-run", ConsoleRole::Operator),
    ("POST", "/dead-letters/replay", ConsoleRole::Operator),
    ("POST", "/dead-letters/replay/stop", ConsoleRole::Operator),
    ("POST", "/dead-letters/replay/resume", ConsoleRole::Operator),
    ("POST", "/dead-letters/discard", ConsoleRole::Operator),
    ("POST", "/dead-letters/restore", ConsoleRole::Operator),
    ("POST", "/dead-letters/{id}/edit", ConsoleRole::Operator),
    ("POST", "/dead-letters/{id}/unmask", ConsoleRole::Admin),
    ("GET", "/controls", ConsoleRole::Viewer),
    ("POST", "/controls", ConsoleRole::Operator),
    ("POST", "/controls/release", ConsoleRole::Operator),
    ("POST", "/drain", ConsoleRole::Operator),
    ("POST", "/try-now", ConsoleRole::Operator),
    ("GET", "/actions", ConsoleRole::Admin),
    ("GET", "/api/v1/openapi.json", ConsoleRole::Viewer),
    ("GET", "/api/v1/overview", ConsoleRole::Viewer),
    ("GET", "/api/v1/controls", ConsoleRole::Viewer),
    ("POST", "/api/v1/controls", ConsoleRole::Operator),
    ("POST", "/api/v1/controls/release", ConsoleRole::Operator),
    ("POST", "/api/v1/drain", ConsoleRole::Operator),
    ("POST", "/api/v1/try-now", ConsoleRole::Operator),
    ("GET", "/api/v1/requests", ConsoleRole::Viewer),
    ("GET", "/api/v1/requests/{id}", ConsoleRole::Viewer),
    ("GET", "/api/v1/members/{site}/{member}/timeline", ConsoleRole::Viewer),
    ("GET", "/api/v1/dead-letters", ConsoleRole::Viewer),
    ("GET", "/api/v1/dead-letters/{id}", ConsoleRole::Viewer),
    ("POST", "/api/v1/dead-letters/reading", ConsoleRole::Operator),
    ("GET", "/api/v1/dead-letters/replay", ConsoleRole::Viewer),
    ("POST", "/api/v1/dead-letters/dry-run", ConsoleRole::Operator),
    ("POST", "/api/v1/dead-letters/replay", ConsoleRole::Operator),
    ("POST", "/api/v1/dead-letters/replay/stop", ConsoleRole::Operator),
    ("POST", "/api/v1/dead-letters/replay/resume", ConsoleRole::Operator),
    ("POST", "/api/v1/dead-letters/discard", ConsoleRole::Operator),
    ("POST", "/api/v1/dead-letters/restore", ConsoleRole::Operator),
    ("POST", "/api/v1/dead-letters/{id}/edit", ConsoleRole::Operator),
    ("POST", "/api/v1/dead-letters/{id}/unmask", ConsoleRole::Admin),
    ("GET", "/api/v1/actions", ConsoleRole::Admin),
];

async fn called(caller: &Caller, method: &str, route: &str) -> StatusCode {
    let guid = "7d368843-6f0c-4037-8d0e-b7e36a8a0c32";
    let path = route.replace("{id}", "0123456789abcdef").replace("{site}", guid).replace("{member}", guid);
    // Without a reason nobody is drained: the others still have to be asked.
    let reason = if route.ends_with("/drain") { "" } else { "a test" };
    let body = ("application/json", json!({ "reason": reason }).to_string());
    let body = (method == "POST").then_some(body);
    caller.call(method.parse::<Method>().unwrap(), &path, body).await.status
}

#[tokio::test]
async fn each_route_is_open_to_its_role_and_to_nobody_below() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let nobody = Caller::of(&worker);
    for (method, route, least) in ROUTES {
        let status = called(&nobody, method, route).await;
        let is_page = !route.starts_with("/api/") && *route != "/metrics";
        let expected = if is_page { StatusCode::SEE_OTHER } else { StatusCode::UNAUTHORIZED };
        assert_eq!(status, expected, "{method} {route} without a token");
        for role in ConsoleRole::ALL {
            let status = called(&nobody.bearing(role.as_str()), method, route).await;
            let refused = status == StatusCode::FORBIDDEN || status == StatusCode::UNAUTHORIZED;
            assert_eq!(refused, role < *least, "{method} {route} as {}: {status}", role.as_str());
            assert!(!status.is_server_error(), "{method} {route} as {}: {status}", role.as_str());
        }
    }
    let document: Value = serde_json::from_str(&join_community::console::document()).unwrap();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let known = ROUTES.iter().any(|(known, route, _)| route == path && known.eq_ignore_ascii_case(method));
            assert!(known, "{method} {path} is tried by no role");
        }
    }
    worker.stop().await;
}

#[tokio::test]
async fn probes_answer_everybody_and_metrics_where_that_is_wanted() {
    let installation = Installation::with(|config| {
        ask_for_tokens(config);
        config.http.metrics_open = true;
    })
    .await;
    let worker = installation.start().await;
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(Caller::of(&worker).get(path).await.status, StatusCode::OK, "{path}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn beyond_the_loopback_and_without_tokens_only_probes_answer() {
    let installation = Installation::with(|config| config.http.listen = "0.0.0.0:0".to_owned()).await;
    let worker = installation.start().await;
    let caller = Caller::of(&worker);
    assert_eq!(caller.get("/readyz").await.status, StatusCode::OK);
    for path in ["/metrics", "/", "/api/v1/overview", "/login"] {
        assert_eq!(caller.bearing("any").get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn the_open_loopback_answers_to_its_own_names_and_to_no_other_site() {
    let installation = Installation::with(|config| config.http.listen = "127.0.0.1:0".to_owned()).await;
    let worker = installation.start().await;
    let caller = Caller::of(&worker);
    assert_eq!(caller.get("/").await.status, StatusCode::OK);
    assert_eq!(caller.with("host", "localhost:8080").get("/api/v1/overview").await.status, StatusCode::OK);
    for path in ["/", "/api/v1/overview", "/metrics"] {
        let rebound = caller.with("host", "evil.example").get(path).await;
        assert_eq!(rebound.status, StatusCode::MISDIRECTED_REQUEST, "{path}");
    }
    // The probes tell nothing that is worth it.
    assert_eq!(caller.with("host", "pod-7:8080").get("/livez").await.status, StatusCode::OK);
    for (header, value) in [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site"), ("origin", "null")] {
        let sent = caller.with(header, value).submit("/dead-letters/reading", "").await;
        assert_eq!(sent.status, StatusCode::FORBIDDEN, "{header}: {value}");
    }
    let origin = format!("http://{}", caller.server());
    assert_eq!(caller.with("origin", origin).submit("/dead-letters/reading", "").await.status, StatusCode::SEE_OTHER);
    // Nobody is an admin without a token.
    let unmask = caller.post("/api/v1/dead-letters/0123456789abcdef/unmask", &json!({ "reason": "why" })).await;
    assert_eq!(unmask.status, StatusCode::FORBIDDEN);
    worker.stop().await;
}

async fn log_in(worker: &Worker, token: &str) -> (StatusCode, Option<String>) {
    let answer = Caller::of(worker).submit("/login", &format!("token={token}")).await;
    let cookie = answer.header("set-cookie").to_owned();
    if cookie.is_empty() {
        return (answer.status, None);
    }
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    (answer.status, cookie.split(';').next().map(str::to_owned))
}

#[tokio::test]
async fn a_token_begins_a_session_that_other_sites_cannot_use_and_logging_out_ends() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let (status, cookie) = log_in(&worker, "operator").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let browser = Caller::of(&worker).with("cookie", cookie.unwrap());
    let page = browser.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("operator, operator"), "{}", page.text);
    let led_here = browser.with("sec-fetch-site", "cross-site");
    assert_eq!(led_here.submit("/dead-letters/reading", "").await.status, StatusCode::FORBIDDEN);
    assert_eq!(led_here.submit("/logout", "").await.status, StatusCode::FORBIDDEN);
    let led_to_log_in =
        Caller::of(&worker).with("origin", "http://evil.example").submit("/login", "token=viewer").await;
    assert_eq!(led_to_log_in.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.submit("/dead-letters/reading", "").await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.submit("/logout", "").await.status, StatusCode::SEE_OTHER);
    let gone = browser.get("/").await;
    assert_eq!((gone.status, gone.header("location")), (StatusCode::SEE_OTHER, "/login"));

    let actions = Caller::of(&worker).bearing("admin").get("/api/v1/actions").await.json();
    let told = |action: &Value| ["who", "action"].map(|name| action[name].as_str().unwrap().to_owned());
    let told: Vec<[String; 2]> = actions.as_array().unwrap().iter().map(told).collect();
    let expected = [
        ["operator", "logout"],
        ["operator", "dead_letters.read"],
        ["nobody", "login"],
        ["nobody", "logout"],
        ["nobody", "POST"],
        ["operator", "login"],
    ];
    assert_eq!(told, expected);
    worker.stop().await;
}

#[tokio::test]
async fn over_tls_a_session_is_a_cookie_that_no_neighbour_in_the_domain_can_set() {
    let installation = Installation::with(|config| {
        ask_for_tokens(config);
        "https://console.example".clone_into(&mut config.http.public_url);
    })
    .await;
    let worker = installation.start().await;
    let (_, cookie) = log_in(&worker, "viewer").await;
    let cookie = cookie.expect("a cookie");
    let slipped = cookie.strip_prefix("__Host-").unwrap_or_else(|| panic!("{cookie}"));
    for (shown, status) in [(cookie.as_str(), StatusCode::OK), (slipped, StatusCode::SEE_OTHER)] {
        assert_eq!(Caller::of(&worker).with("cookie", shown).get("/").await.status, status, "{shown}");
    }
    worker.stop().await;
}

/// Who did or tried what, the oldest first: who, role, action, target and outcome.
pub(super) async fn recorded(installation: &Installation) -> Vec<[String; 5]> {
    let statement = "SELECT who, role, action, target, outcome FROM operator_actions ORDER BY id";
    let rows: Vec<(String, String, String, String, String)> =
        sqlx::query_as(statement).fetch_all(&mut installation.stranger().await).await.unwrap();
    rows.into_iter().map(<[String; 5]>::from).collect()
}

#[tokio::test]
async fn wrong_tokens_are_counted_and_soon_not_heard_any_more() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    for _ in 0..10 {
        assert_eq!(log_in(&worker, "guess").await, (StatusCode::UNAUTHORIZED, None));
    }
    assert_eq!(log_in(&worker, "viewer").await, (StatusCode::TOO_MANY_REQUESTS, None));
    let script = Caller::of(&worker).bearing("viewer").get("/api/v1/overview").await;
    assert_eq!(script.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!script.header("retry-after").is_empty());
    let counted = |outcome| worker.counted(&format!("join_community_operator_logins_total{{outcome=\"{outcome}\"}}"));
    assert_eq!((counted("refused"), counted("limited"), counted("granted")), (10, 1, 0));
    let row = ["nobody", "none", "login", "", "refused: unknown token"].map(str::to_owned);
    assert_eq!(recorded(&installation).await, vec![row; 10], "what is not heard is not on record");
    worker.stop().await;
}

#[tokio::test]
async fn what_a_role_is_refused_is_on_record_and_the_record_cannot_be_changed() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let path = "/api/v1/dead-letters/0123456789abcdef/unmask";
    let refused = Caller::of(&worker).bearing("viewer").post(path, &json!({ "reason": "curious" })).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(Caller::of(&worker).bearing("viewer").get("/actions").await.status, StatusCode::FORBIDDEN);
    assert_eq!(Caller::of(&worker).bearing("guess").get("/metrics").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(Caller::of(&worker).get("/metrics").await.status, StatusCode::UNAUTHORIZED, "no try to get in");
    let refused = [
        ["viewer", "viewer", "POST", path, "refused: needs role admin"],
        ["viewer", "viewer", "GET", "/actions", "refused: needs role admin"],
        ["nobody", "none", "GET", "/metrics", "refused: unknown token"],
    ];
    assert_eq!(recorded(&installation).await, refused.map(|row| row.map(str::to_owned)));
    let mut stranger = installation.stranger().await;
    for change in [
        "UPDATE operator_actions SET who = 'nobody'",
        "DELETE FROM operator_actions",
        "TRUNCATE operator_actions",
        "DELETE FROM operator_actions WHERE false",
    ] {
        let error = sqlx::query(change).execute(&mut stranger).await.expect_err(change);
        assert!(error.to_string().contains("operator_actions is only appended to"), "{error}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn the_page_of_actions_leads_from_the_newest_to_the_oldest() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let insert = "INSERT INTO operator_actions (who, role, action, target, reason, outcome)
        SELECT 'ana', 'operator', 'a test', 'target-' || number, '', '' FROM generate_series(1, 201) AS number";
    sqlx::query(insert).execute(&mut installation.stranger().await).await.unwrap();
    let admin = Caller::of(&worker).bearing("admin");
    let (mut seen, mut next) = (Vec::new(), Some("/actions".to_owned()));
    while let Some(path) = next.take() {
        let page = admin.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        assert_eq!(page.text.contains("The newest"), path != "/actions", "{path}");
        let targets = page.text.split("target-").skip(1).filter_map(|rest| rest.split('<').next());
        seen.extend(targets.map(|number| number.parse::<u32>().unwrap()));
        let link = page.text.split_once("href=\"/actions?before=").and_then(|(_, rest)| rest.split('"').next());
        next = link.map(|number| format!("/actions?before={number}"));
    }
    assert_eq!(seen, (1..=201).rev().collect::<Vec<_>>());
    worker.stop().await;
}
