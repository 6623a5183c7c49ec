//! Operators whom an issuer names: in a browser by a login there, in scripts by its tokens. The issuer is a real server.

use axum::http::StatusCode;
use join_community::auth::reason;
use join_community::config::{Config, ConsoleRole, ConsoleToken};
use join_community::console::digest_of;
use serde_json::{Value, json};

use crate::support::{Caller, Installation, OpenId, PATIENCE, Page, SUBJECT, Worker, eventually};

/// A worker whose console trusts an issuer, and knows one token beside it.
async fn trusting(issuer: &OpenId) -> (Installation, Worker) {
    trusting_as(issuer, |_| {}).await
}

/// The same with another configuration.
pub(super) async fn trusting_as(issuer: &OpenId, adjust: impl FnOnce(&mut Config)) -> (Installation, Worker) {
    let installation = Installation::with(|config| {
        issuer.trusted_by(config);
        adjust(config);
        let token = ConsoleToken { name: "ana".into(), role: ConsoleRole::Admin, sha256: digest_of("ana's") };
        config.http.tokens = vec![token];
    })
    .await;
    let worker = installation.start().await;
    issuer.until_known_to(&worker).await;
    (installation, worker)
}

/// What is on record, the newest first: who, role, action, target, outcome.
async fn recorded(worker: &Worker) -> Vec<[String; 5]> {
    let actions = Caller::of(worker).bearing("ana's").get("/api/v1/actions").await.json();
    let told = |action: &Value| {
        ["who", "role", "action", "target", "outcome"].map(|name| action[name].as_str().unwrap().to_owned())
    };
    actions.as_array().unwrap().iter().map(told).collect()
}

/// The cookie of a session that an answer begins.
pub(super) fn session(page: &Page) -> Option<String> {
    let mut cookies = page.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    let cookie = cookies.find(|cookie| cookie.starts_with("join-community-console="))?;
    for part in ["HttpOnly", "SameSite=Strict", "Path=/;"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    cookie.split(';').next().map(str::to_owned)
}

/// A login came to nothing: the page says why, and nobody has a session.
fn says_why(page: &Page, word: &str) {
    assert_eq!((page.status, session(page)), (StatusCode::UNAUTHORIZED, None), "{word}: {page:?}");
    assert!(page.text.contains(reason::meaning(word)) && page.text.contains("<h1>"), "{word}: {}", page.text);
}

/// The same, and it stands on record.
async fn is_refused(worker: &Worker, page: &Page, word: &str) {
    says_why(page, word);
    let expected = ["nobody", "none", "login", "", &format!("refused: {word}")].map(str::to_owned);
    assert_eq!(recorded(worker).await[0], expected);
}

#[tokio::test]
async fn a_login_at_the_issuer_ends_on_the_page_asked_for_in_the_mapped_role() {
    let issuer = OpenId::start().await;
    let (_installation, worker) = trusting(&issuer).await;
    let nobody = Caller::of(&worker);
    let asked = "/requests?site=6b0e7f1a-0000-4000-8000-000000000000&status=a%26b";
    let arrived = issuer.returning(&nobody, asked).await.arrive().await;
    assert_eq!(arrived.status, StatusCode::OK, "{arrived:?}");
    assert_eq!(arrived.header("refresh"), format!("0; url={asked}"));
    let who = format!("{SUBJECT} of {}", issuer.url);
    assert!(arrived.text.contains(&format!("{who}, operator")), "{}", arrived.text);

    let browser = nobody.with("cookie", session(&arrived).unwrap());
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    assert_eq!(browser.submit("/dead-letters/reading", "").await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.get("/actions").await.status, StatusCode::FORBIDDEN, "that is for admins");
    let led_here = browser.with("sec-fetch-site", "cross-site");
    assert_eq!(led_here.submit("/dead-letters/reading", "").await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.submit("/logout", "").await.status, StatusCode::OK);
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER, "the session is over");

    let told: Vec<_> = recorded(&worker).await.into_iter().map(|[who, role, action, ..]| [who, role, action]).collect();
    let of = |action| [who.as_str(), "operator", action];
    let led = ["nobody", "none", "POST"];
    assert_eq!(told, [of("logout"), led, of("GET"), of("dead_letters.read"), of("login")]);
    assert_eq!(worker.counted("join_community_operator_logins_total{outcome=\"granted\"}"), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_login_is_good_once_and_for_the_browser_that_began_it() {
    let issuer = OpenId::start().await;
    let (_installation, worker) = trusting(&issuer).await;
    let nobody = Caller::of(&worker);

    let first = issuer.returning(&nobody, "/").await;
    assert_eq!(first.arrive().await.status, StatusCode::OK);
    is_refused(&worker, &first.arrive().await, reason::LOGIN_UNKNOWN).await;

    let other = issuer.returning(&nobody, "/").await;
    is_refused(&worker, &other.browser.get(&other.with("state", "0123")).await, reason::LOGIN_UNKNOWN).await;
    says_why(&nobody.get(&other.callback).await, reason::LOGIN_UNKNOWN);
    is_refused(&worker, &other.arrive().await, reason::LOGIN_UNKNOWN).await;

    // A code that was redeemed before, by whoever it was.
    let spent = first.callback.split('&').find_map(|pair| pair.split_once("code=")).unwrap().1.to_owned();
    let third = issuer.returning(&nobody, "/").await;
    is_refused(&worker, &third.browser.get(&third.with("code", &spent)).await, reason::CODE_REFUSED).await;

    let [fourth, fifth] = [issuer.returning(&nobody, "/").await, issuer.returning(&nobody, "/").await];
    is_refused(&worker, &fourth.browser.get(&fourth.with("iss", "https://evil")).await, reason::LOGIN_ISSUER).await;
    is_refused(&worker, &fifth.browser.get(&fifth.with("error", "access_denied")).await, reason::LOGIN_DENIED).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_token_that_is_not_for_this_login_lets_nobody_in() {
    let issuer = OpenId::start().await;
    let (_installation, worker) = trusting(&issuer).await;
    let nobody = Caller::of(&worker);
    for (bent, word) in [
        (json!({ "nonce": "of another login" }), reason::TOKEN_NONCE),
        (json!({ "nonce": null }), reason::TOKEN_NONCE),
        (json!({ "aud": "another client" }), "TOKEN_AUDIENCE"),
        (json!({ "aud": "console-api" }), "TOKEN_AUDIENCE"),
        (json!({ "azp": "another client" }), reason::TOKEN_PARTY),
        (json!({ "iss": "https://issuer.test" }), "TOKEN_ISSUER"),
        (json!({ "exp": 1_700_000_000 }), reason::TOKEN_EXPIRED),
    ] {
        issuer.bend(bent);
        is_refused(&worker, &issuer.returning(&nobody, "/").await.arrive().await, word).await;
    }
    issuer.bend(json!({}));
    for (token, word) in [
        (issuer.unsigned("console:1"), "TOKEN_MALFORMED"),
        (issuer.token_of_unknown_key("console:1"), "TOKEN_KEY_UNKNOWN"),
    ] {
        issuer.forge(Some(token));
        is_refused(&worker, &issuer.returning(&nobody, "/").await.arrive().await, word).await;
    }
    worker.stop().await;
}

#[tokio::test]
async fn who_has_no_role_by_the_issuers_word_is_refused_by_name() {
    let issuer = OpenId::start().await;
    let (_installation, worker) = trusting(&issuer).await;
    let nobody = Caller::of(&worker);
    let who = format!("{SUBJECT} of {}", issuer.url);
    issuer.bend(json!({ "realm": { "roles": ["of-another-service"] } }));
    let arrived = issuer.returning(&nobody, "/").await.arrive().await;
    assert_eq!((arrived.status, session(&arrived)), (StatusCode::FORBIDDEN, None), "{arrived:?}");
    assert!(arrived.text.contains("has no role here"), "{}", arrived.text);
    assert_eq!(recorded(&worker).await[0], [who.as_str(), "none", "login", "", "refused: no role"].map(str::to_owned));

    let script = nobody.bearing(&issuer.token_with(&json!({ "realm": null }))).get("/api/v1/overview").await;
    assert_eq!((script.status, &script.json()["error"]), (StatusCode::FORBIDDEN, &json!("role")));
    let expected = [who.as_str(), "none", "GET", "/api/v1/overview", "refused: no role"].map(str::to_owned);
    assert_eq!(recorded(&worker).await[0], expected);
    worker.stop().await;
}

#[tokio::test]
async fn a_script_brings_the_issuers_token_and_may_what_its_role_may() {
    let issuer = OpenId::start().await;
    let (_installation, worker) = trusting(&issuer).await;
    let bearing = |token: &str| Caller::of(&worker).bearing(token);
    let [viewer, operator, admin] = ["jc-viewer", "jc-operator", "jc-admin"].map(|role| bearing(&issuer.token(role)));
    for (caller, expected) in [
        (&viewer, [StatusCode::OK, StatusCode::FORBIDDEN, StatusCode::FORBIDDEN]),
        (&operator, [StatusCode::OK, StatusCode::OK, StatusCode::FORBIDDEN]),
        (&admin, [StatusCode::OK, StatusCode::OK, StatusCode::OK]),
    ] {
        let looked = caller.get("/api/v1/overview").await.status;
        let repaired = caller.post("/api/v1/dead-letters/reading", &Value::Null).await.status;
        assert_eq!([looked, repaired, caller.get("/api/v1/actions").await.status], expected);
    }
    let both = bearing(&issuer.token_with(&json!({ "realm": { "roles": ["jc-viewer", "jc-admin"] } })));
    assert_eq!(both.get("/api/v1/actions").await.status, StatusCode::OK, "the highest counts");
    // A form takes it as well, for as long as it is good.
    let form = Caller::of(&worker).submit("/login", &format!("token={}", issuer.token("jc-viewer"))).await;
    assert_eq!(form.status, StatusCode::SEE_OTHER);
    let left = form.header("set-cookie").split("Max-Age=").nth(1).unwrap().split(';').next().unwrap().to_owned();
    assert!((1..=305).contains(&left.parse::<u32>().unwrap()), "{left}");

    for (token, word) in [
        (issuer.token_with(&json!({ "aud": "join-community" })), "TOKEN_AUDIENCE"),
        (issuer.token_with(&json!({ "iss": "https://issuer.test" })), "TOKEN_ISSUER"),
        (issuer.token_with(&json!({ "exp": 1_700_000_000 })), reason::TOKEN_EXPIRED),
        (issuer.unsigned("console-api"), "TOKEN_MALFORMED"),
        (issuer.token_of_unknown_key("console-api"), "TOKEN_KEY_UNKNOWN"),
    ] {
        let refused = bearing(&token).get("/api/v1/overview").await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{word}: {refused:?}");
        assert!(refused.json()["message"].as_str().unwrap().contains(reason::meaning(word)), "{refused:?}");
        let expected = ["nobody", "none", "GET", "/api/v1/overview", &format!("refused: {word}")].map(str::to_owned);
        assert_eq!(recorded(&worker).await[0], expected);
    }
    worker.stop().await;
}

#[tokio::test]
async fn logins_that_are_begun_are_bounded_and_lead_to_no_other_site() {
    let issuer = OpenId::start().await;
    let (_installation, worker) = trusting(&issuer).await;
    let nobody = Caller::of(&worker);
    let mut begun = 0;
    for elsewhere in ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "%2F%5Cevil.example"] {
        let link = format!("/login/oidc?to={elsewhere}");
        let arrived = issuer.returning_by(&nobody, &link).await.arrive().await;
        assert_eq!(arrived.header("refresh"), "0; url=/", "{elsewhere}");
        begun += 1;
    }
    let limited = loop {
        let sent = nobody.get("/login/oidc").await;
        if sent.status != StatusCode::SEE_OTHER {
            break sent;
        }
        begun += 1;
        // One more may be begun every six seconds, and so many take no minute.
        assert!(begun < 20, "nobody is held up");
    };
    assert!(begun >= 10, "held up after {begun}");
    assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS, "{limited:?}");
    assert!(!limited.header("retry-after").is_empty());
    // It is the beginning that is limited: whoever has a token is heard.
    assert_eq!(nobody.bearing("ana's").get("/api/v1/overview").await.status, StatusCode::OK);
    worker.stop().await;
}

#[tokio::test]
async fn whoever_sends_browsers_back_from_no_login_keeps_nobody_out_and_fills_no_record() {
    let issuer = OpenId::start().await;
    let (_installation, worker) = trusting(&issuer).await;
    let nobody = Caller::of(&worker);
    let (callback, before) = ("/login/oidc/callback?state=0123&code=4567", recorded(&worker).await.len());
    for _ in 0..15 {
        says_why(&nobody.get(callback).await, reason::LOGIN_UNKNOWN);
    }
    assert_eq!(recorded(&worker).await.len(), before, "what shows nothing is worth no row");
    // What a browser keeps of a login, anybody can make up: that is worth as many rows as there are tries by token.
    let made_up = nobody.with("cookie", "join-community-login=0123");
    for _ in 0..15 {
        says_why(&made_up.get(callback).await, reason::LOGIN_UNKNOWN);
    }
    let rows = recorded(&worker).await.len() - before;
    assert!((10..15).contains(&rows), "{rows}");
    // A page that only holds it as a part does not even begin one.
    for place in ["/login/oidc", callback] {
        for part in ["image", "empty", "iframe"] {
            let led = nobody.with("sec-fetch-dest", part).get(place).await;
            assert_eq!((led.status, led.header("set-cookie")), (StatusCode::FORBIDDEN, ""), "{place} as {part}");
        }
    }
    let script = nobody.bearing(&issuer.token("jc-viewer"));
    assert_eq!(script.get("/api/v1/overview").await.status, StatusCode::OK);
    let visited = nobody.with("sec-fetch-dest", "document");
    assert_eq!(issuer.returning(&visited, "/").await.arrive().await.status, StatusCode::OK);
    worker.stop().await;
}

#[tokio::test]
async fn the_overview_tells_whether_the_issuer_can_be_read() {
    let issuer = OpenId::start().await;
    for (url, is_up) in [(issuer.url.clone(), true), ("http://127.0.0.1:1".to_owned(), false)] {
        let installation = Installation::with(|config| {
            issuer.trusted_by(config);
            config.http.oidc_issuer.clone_from(&url);
            let token = ConsoleToken { name: "ana".into(), role: ConsoleRole::Admin, sha256: digest_of("ana's") };
            config.http.tokens = vec![token];
        })
        .await;
        let worker = installation.start().await;
        let ana = Caller::of(&worker).bearing("ana's");
        let told = eventually("the overview tells of the issuer", PATIENCE, async || {
            let told = ana.get("/api/v1/overview").await.json()["issuer"].clone();
            let is_read = told["reason"].as_str().is_none_or(|reason| !reason.contains("not read yet"));
            if told.is_object() && is_read { Ok(told) } else { Err(told) }
        })
        .await;
        assert_eq!((&told["up"], &told["name"]), (&is_up.into(), &format!("issuer {url}").into()), "{told}");
        let reason = told["reason"].as_str().unwrap_or_default();
        assert_eq!(reason.contains("the discovery document cannot be read"), !is_up, "{told}");
        let page = ana.get("/").await;
        assert!(page.text.contains(&format!("<strong>issuer {url}</strong>")), "{}", page.text);
        worker.stop().await;
    }
}
