//! The issuer's side of the wire: what it tells, whom it lets in and out, and what it gives for a code.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use join_community::auth::mint::{Algorithm, DevelopmentKeys};
use reqwest::Url;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{CLIENT, SUBJECT};

/// What the issuer knows.
pub(super) struct Shared {
    pub(super) url: String,
    pub(super) keys: DevelopmentKeys,
    /// Where it has been told that the console is.
    pub(super) console: Mutex<String>,
    /// Laid over the claims of the tokens it makes; `null` takes one out.
    pub(super) bent: Mutex<Value>,
    /// A token that it gives instead.
    pub(super) forged: Mutex<Option<String>>,
    /// What each code stands for.
    pub(super) codes: Mutex<HashMap<String, Asked>>,
    /// Laid over its document; `null` takes a place out.
    pub(super) told: Mutex<Value>,
    /// The tokens of logins that are not ended.
    pub(super) given: Mutex<HashSet<String>>,
    /// How often somebody was let in, and how often out.
    pub(super) entered: AtomicUsize,
    pub(super) left: AtomicUsize,
}

#[derive(serde::Deserialize)]
pub(super) struct Asked {
    response_type: String,
    client_id: String,
    redirect_uri: String,
    scope: String,
    state: String,
    nonce: String,
    code_challenge: String,
    code_challenge_method: String,
}

/// All that it answers.
pub(super) fn router(shared: &Arc<Shared>) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(document))
        .route("/keys", get(keys_of))
        .route("/authorize", get(authorize))
        .route("/token", post(redeem))
        .route("/logout", get(end))
        .with_state(Arc::clone(shared))
}

impl Shared {
    /// What a sound token says, and personal data beside it, which nobody asked for.
    pub(super) fn claims(&self, audience: &str) -> Value {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        json!({
            "iss": self.url, "aud": audience, "sub": SUBJECT, "iat": now, "exp": now + 300,
            "email": "jane@example.com", "name": "Jane Doe", "realm": { "roles": ["jc-operator", "other"] },
        })
    }

    pub(super) fn signed(&self, claims: &Value) -> String {
        self.keys.sign(claims, Algorithm::Rs256, Some(self.keys.kid(Algorithm::Rs256))).unwrap()
    }
}

pub(super) fn laid_over(mut claims: Value, changes: &Value) -> Value {
    let all = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            all.remove(name);
        } else {
            all.insert(name.clone(), value.clone());
        }
    }
    claims
}

async fn document(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let url = &shared.url;
    let document = json!({
        "issuer": url, "jwks_uri": format!("{url}/keys"), "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"), "code_challenge_methods_supported": ["S256"],
        "end_session_endpoint": format!("{url}/logout?realm=ops"),
    });
    Json(laid_over(document, &shared.told.lock().unwrap()))
}

async fn keys_of(State(shared): State<Arc<Shared>>) -> Vec<u8> {
    std::fs::read(shared.keys.jwks_path()).unwrap()
}

/// Lets in whoever comes.
async fn authorize(State(shared): State<Arc<Shared>>, Query(asked): Query<Asked>) -> Response {
    let is_right = asked.response_type == "code"
        && asked.client_id == CLIENT
        && asked.redirect_uri == format!("{}/login/oidc/callback", shared.console.lock().unwrap())
        && asked.scope.split(' ').any(|scope| scope == "openid")
        && asked.code_challenge_method == "S256"
        && asked.nonce.len() >= 32
        && asked.state.len() >= 32;
    if !is_right {
        return (StatusCode::BAD_REQUEST, "this is no request of the code flow").into_response();
    }
    let code = format!("gr4nt-{}", uuid::Uuid::new_v4());
    let mut back: Url = asked.redirect_uri.parse().unwrap();
    back.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", &asked.state)
        .append_pair("iss", &shared.url);
    shared.codes.lock().unwrap().insert(code, asked);
    shared.entered.fetch_add(1, Ordering::SeqCst);
    Redirect::to(back.as_str()).into_response()
}

/// Lets out whose login a token proves, and sends the browser back. Anybody could send one here without: then it has to ask.
async fn end(State(shared): State<Arc<Shared>>, Query(fields): Query<HashMap<String, String>>) -> Response {
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let back = field("post_logout_redirect_uri");
    let is_known = back == format!("{}/login", shared.console.lock().unwrap());
    if field("realm") != "ops" || field("client_id") != CLIENT || !is_known {
        return (StatusCode::BAD_REQUEST, "this is no request of the logout").into_response();
    }
    let Some(token) = fields.get("id_token_hint") else {
        return "Do you want to log out?".into_response();
    };
    if !shared.given.lock().unwrap().remove(token) {
        return (StatusCode::BAD_REQUEST, "this is no token of a login").into_response();
    }
    shared.left.fetch_add(1, Ordering::SeqCst);
    Redirect::to(back).into_response()
}

/// Gives a token for a code, once, to the client and the login that it was made for.
async fn redeem(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Form(fields): Form<HashMap<String, String>>,
) -> Response {
    let refused = |status: StatusCode, word: &str| (status, Json(json!({ "error": word }))).into_response();
    // Each is encoded as in a form before both are put together.
    let proof = format!("Basic {}", STANDARD.encode("console%3A1:client-s3cret+%2B%2F%25"));
    if headers.get("authorization").and_then(|value| value.to_str().ok()) != Some(proof.as_str()) {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let Some(asked) = shared.codes.lock().unwrap().remove(field("code")) else {
        return refused(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, field("code_verifier").as_bytes());
    let is_right = field("grant_type") == "authorization_code"
        && field("redirect_uri") == asked.redirect_uri
        && URL_SAFE_NO_PAD.encode(digest.as_ref()) == asked.code_challenge;
    if !is_right {
        return refused(StatusCode::BAD_REQUEST, "invalid_grant");
    }
    let mut claims = shared.claims(CLIENT);
    claims["nonce"] = json!(asked.nonce);
    let claims = laid_over(claims, &shared.bent.lock().unwrap());
    let forged = shared.forged.lock().unwrap().clone();
    let token = forged.unwrap_or_else(|| shared.signed(&claims));
    shared.given.lock().unwrap().insert(token.clone());
    Json(json!({ "access_token": "acc3ss-token", "token_type": "Bearer", "expires_in": 300, "id_token": token }))
        .into_response()
}
