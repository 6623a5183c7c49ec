//! Operators by an issuer's word: what its token has to say, where its document may lead, what a login tells it.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use reqwest::Url;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{ISSUER, KEYS, Keys, config, issuer_set, keys, token};
use crate::auth::mint::Algorithm;
use crate::auth::oidc::Client;
use crate::auth::oidc::discovery::{self, Discovery};
use crate::auth::{Challenge, IdToken, Identity, NotProven, Provider, reason, refusal};
use crate::config::load;

/// Knows the issuer's keys of this moment.
fn provider(roles_claim: &str) -> Provider {
    knowing(keys(Some((&issuer_set(), OffsetDateTime::now_utc()))), roles_claim)
}

fn knowing(keys: Arc<Keys>, roles_claim: &str) -> Provider {
    let mut http = load::<String, String>(None, []).unwrap().http;
    ISSUER.clone_into(&mut http.oidc_issuer);
    "console-api".clone_into(&mut http.oidc_audience);
    "console".clone_into(&mut http.oidc_client_id);
    "https://console.example/".clone_into(&mut http.public_url);
    roles_claim.clone_into(&mut http.oidc_roles_claim);
    Provider::new(&http, &config(), Arc::new(Discovery::new(ISSUER).unwrap()), keys)
}

fn claims() -> Value {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    json!({ "iss": ISSUER, "aud": "console-api", "sub": "4711", "iat": now, "exp": now + 300, "roles": ["ops", 7, "dev"] })
}

fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

async fn refused(token: &str) -> &'static str {
    match provider("roles").prove(token).await {
        Err(NotProven::Refused(word)) => word,
        other @ (Ok(_) | Err(NotProven::Away(_) | NotProven::NoKeys(_))) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_names_its_subject_and_what_it_holds() {
    let Identity { who, held, lasts } = provider("roles").prove(&token(&claims())).await.unwrap();
    assert_eq!((who, held), (format!("4711 of {ISSUER}"), vec!["ops".to_owned(), "dev".to_owned()]));
    assert!((300..=330).contains(&lasts.as_secs()), "{lasts:?}");
    // The client's own tokens are as good as those for scripts, and one may be for several.
    for audience in [json!("console"), json!(["other", "console-api"])] {
        assert!(provider("roles").prove(&token(&claims_with("aud", audience))).await.is_ok());
    }
}

#[tokio::test]
async fn a_claim_of_roles_is_found_by_its_name_or_by_dots() {
    let inner = json!({ "roles": "ops", "more": { "roles": ["dev"] } });
    for (name, claim, value, held) in [
        ("roles", "roles", json!("ops"), vec!["ops"]),
        ("realm.roles", "realm", inner.clone(), vec!["ops"]),
        ("realm.more.roles", "realm", inner.clone(), vec!["dev"]),
        ("realm.none.roles", "realm", inner.clone(), vec![]),
        ("realm", "realm", inner, vec![]),
        ("https://example.com/roles", "https://example.com/roles", json!(["ops"]), vec!["ops"]),
        ("roles", "roles", json!(7), vec![]),
        ("roles", "roles", json!({ "ops": true }), vec![]),
        ("groups", "roles", json!("ops"), vec![]),
    ] {
        let identity = provider(name).prove(&token(&claims_with(claim, value))).await.unwrap();
        assert_eq!(identity.held, held, "{name}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_told_by_one_word() {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let long = "4".repeat(256);
    for (name, value, word) in [
        ("iss", json!("https://issuer.example/"), refusal::TOKEN_ISSUER),
        ("aud", json!("join-community"), refusal::TOKEN_AUDIENCE),
        ("aud", json!([]), refusal::TOKEN_AUDIENCE),
        ("exp", json!(now - 31), reason::TOKEN_EXPIRED),
        ("nbf", json!(now + 60), refusal::TOKEN_NOT_YET_VALID),
        ("iat", json!(now + 60), refusal::TOKEN_NOT_YET_VALID),
        ("exp", json!("soon"), refusal::TOKEN_CLAIMS),
        ("nbf", Value::Null, refusal::TOKEN_CLAIMS),
        ("sub", json!(7), refusal::TOKEN_CLAIMS),
        ("sub", json!(""), refusal::TOKEN_CLAIMS),
        ("sub", json!("a b"), refusal::TOKEN_CLAIMS),
        ("sub", json!(long), refusal::TOKEN_CLAIMS),
    ] {
        assert_eq!(refused(&token(&claims_with(name, value.clone()))).await, word, "{name} = {value}");
    }
    // Within the leeway it still is, or already is, good.
    for (name, value) in [("exp", now - 20), ("nbf", now + 20), ("iat", now + 20)] {
        assert!(provider("roles").prove(&token(&claims_with(name, json!(value)))).await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn a_browsers_token_is_none_for_scripts() {
    let texts = ["s", "n", "v"].map(str::to_owned);
    let of_login = token(&claims_with("nonce", json!(Challenge::new(texts).nonce)));
    assert_eq!(refused(&of_login).await, reason::TOKEN_NONCE);
    // Nonces of other programs say nothing here.
    assert!(provider("roles").prove(&token(&claims_with("nonce", json!("n")))).await.is_ok());
}

#[tokio::test]
async fn only_a_key_of_the_issuer_makes_a_token() {
    let unknown = KEYS.sign(&claims(), Algorithm::EdDsa, Some("rotated")).unwrap();
    assert_eq!(refused(&unknown).await, refusal::TOKEN_KEY_UNKNOWN);
    let swapped = KEYS.sign(&claims(), Algorithm::EdDsa, Some(KEYS.kid(Algorithm::Rs256))).unwrap();
    assert_eq!(refused(&swapped).await, refusal::TOKEN_ALGORITHM);
    let sound = token(&claims());
    let (signed, _) = sound.rsplit_once('.').unwrap();
    let (_, foreign) = unknown.rsplit_once('.').unwrap();
    assert_eq!(refused(&format!("{signed}.{foreign}")).await, refusal::TOKEN_SIGNATURE);
    for malformed in ["a.b.c", "eyJhbGciOiJub25lIn0.e30.", &format!("{sound}{}", "x".repeat(16 * 1024))] {
        assert_eq!(refused(malformed).await, refusal::TOKEN_MALFORMED);
    }
}

#[tokio::test]
async fn while_keys_cannot_be_read_few_calls_wait_for_them_and_others_are_told_at_once() {
    let (provider, token) = (knowing(keys(None), "roles"), token(&claims()));
    let mut context = Context::from_waker(Waker::noop());
    let mut waiting = [Box::pin(provider.prove(&token)), Box::pin(provider.prove(&token))];
    for call in &mut waiting {
        assert!(call.as_mut().poll(&mut context).is_pending());
    }
    let told = pin!(provider.prove(&token)).poll(&mut context);
    assert!(matches!(told, Poll::Ready(Err(NotProven::NoKeys(_)))), "{told:?}");
    // Whoever goes away makes room.
    drop(waiting);
    assert!(pin!(provider.prove(&token)).poll(&mut context).is_pending());
}

#[test]
fn a_document_is_believed_for_the_issuer_alone_and_leads_nowhere_in_the_clear() {
    let document = json!({
        "issuer": ISSUER, "jwks_uri": "https://issuer.example/keys", "code_challenge_methods_supported": ["S256"],
        "authorization_endpoint": "https://issuer.example/authorize", "token_endpoint": "http://issuer.example/token",
        "end_session_endpoint": "http://issuer.example/logout",
    });
    let parsed = |document: &Value| discovery::parse(document.to_string().as_bytes(), ISSUER);
    let (keys, offers) = parsed(&document).unwrap();
    assert_eq!(keys.as_str(), "https://issuer.example/keys");
    assert!(offers.authorization.is_some() && offers.token.is_none() && offers.binds_codes);
    assert!(offers.end_session.is_none());
    for (name, value, told) in [
        ("issuer", json!("https://issuer.example/"), "names another `issuer`"),
        ("issuer", json!(7), "is no JSON object"),
        ("jwks_uri", Value::Null, "is no JSON object"),
        ("jwks_uri", json!("http://issuer.example/keys"), "has a `jwks_uri` without https://"),
        ("jwks_uri", json!("keys.json"), "has a `jwks_uri` without https://"),
        ("jwks_uri", json!("http://127.0.0.1/keys"), "has a `jwks_uri` without https://"),
    ] {
        let mut document = document.clone();
        document[name] = value;
        let problem = parsed(&document).err().unwrap().to_string();
        assert!(problem.contains(told), "{problem}");
    }
    assert!(Discovery::new("http://issuer.example").is_err());
}

#[test]
fn only_an_issuer_on_this_machine_leads_to_it_without_tls() {
    let local = "http://127.0.0.1:9";
    for (issuer, leads) in [(ISSUER, false), ("https://127.0.0.1:9", false), (local, true)] {
        let document = json!({
            "issuer": issuer, "jwks_uri": "https://issuer.example/keys", "token_endpoint": format!("{local}/token"),
            "authorization_endpoint": "http://localhost:9/authorize", "end_session_endpoint": format!("{local}/logout"),
        });
        let (_, offers) = discovery::parse(document.to_string().as_bytes(), issuer).unwrap();
        let places = [&offers.token, &offers.authorization, &offers.end_session].map(Option::is_some);
        assert_eq!(places, [leads; 3], "{issuer}");
    }
}

/// The console as this client of the issuer.
fn client(scopes: &str) -> Client {
    let mut http = load::<String, String>(None, []).unwrap().http;
    "console".clone_into(&mut http.oidc_client_id);
    scopes.clone_into(&mut http.oidc_scopes);
    "https://console.example/".clone_into(&mut http.public_url);
    Client::new(&http).unwrap()
}

/// What an address tells, name by name.
fn told(address: &str) -> Vec<(String, String)> {
    address.parse::<Url>().unwrap().query_pairs().into_owned().collect()
}

#[test]
fn a_browser_that_logs_out_tells_whose_session_it_is_and_where_it_comes_back_to() {
    assert_eq!(provider("roles").logout_at(None), None, "nothing is known of the issuer before its document was read");
    let place: Url = "https://issuer.example/logout?tenant=a".parse().unwrap();
    let id_token = IdToken::kept("e30.e30.c2ln".to_owned());
    let sent = told(&client("openid").logout_at(place.clone(), id_token.as_ref()));
    let back = ("post_logout_redirect_uri", "https://console.example/login");
    let expected = [("tenant", "a"), ("id_token_hint", "e30.e30.c2ln"), ("client_id", "console"), back];
    assert_eq!(sent, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let without = told(&client("openid").logout_at(place, None));
    assert!(without.iter().all(|(name, _)| name != "id_token_hint") && without.len() == 3, "{without:?}");
}

#[test]
fn a_browser_takes_all_along_that_the_issuer_has_to_know() {
    let challenge = Challenge { state: "s".to_owned(), nonce: "n".to_owned(), verifier: "v".to_owned() };
    // Nothing is known of the issuer before its document was read.
    assert!(matches!(provider("roles").login_at(&challenge), Err(NotProven::Away(_))));
    let place: Url = "https://issuer.example/authorize?tenant=a".parse().unwrap();
    let sent = told(&client("openid  groups").login_at(place, &challenge));
    let sent: Vec<(&str, &str)> = sent.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        sent[..7],
        [
            ("tenant", "a"),
            ("response_type", "code"),
            ("client_id", "console"),
            ("redirect_uri", "https://console.example/login/oidc/callback"),
            ("scope", "openid groups"),
            ("state", "s"),
            ("nonce", "n"),
        ]
    );
    assert_eq!((sent[7].0, sent[8]), ("code_challenge", ("code_challenge_method", "S256")));
    assert_eq!((sent[7].1.len(), sent.len()), (43, 9));
}
