//! An issuer of OpenID Connect as a worker's console meets one: discovery document, keys, a page that lets everybody in, one
//! that lets them out, and a token endpoint that holds its clients to what the standards say.

mod server;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use join_community::auth::mint::{Algorithm, DevelopmentKeys};
use join_community::config::{Config, ConsoleRole, OidcRole};
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use self::server::{Shared, laid_over};
use super::browser::{Caller, Page};
use super::waiting::{PATIENCE, eventually};
use super::worker::Worker;

/// Who logs in: an id, and no more than that may be kept.
pub(crate) const SUBJECT: &str = "248289761001";
/// The console at the issuer. What has to be encoded in it is there to be encoded.
const CLIENT: &str = "console:1";
const SECRET: &str = "client-s3cret +/%";

/// A running issuer.
pub(crate) struct OpenId {
    /// Its name, and where it is.
    pub(crate) url: String,
    shared: Arc<Shared>,
}

/// A login as far as a browser has come.
pub(crate) struct Returning {
    /// The callback, as the issuer leads there.
    pub(crate) callback: String,
    /// The browser, with the cookie of its login.
    pub(crate) browser: Caller,
}

impl OpenId {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("issuer");
        let keys = DevelopmentKeys::load_or_create(&directory).expect("development keys");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            url: url.clone(),
            keys,
            // Of callbacks only the path is looked at: the port is not known before a worker listens.
            console: Mutex::new("http://localhost:1".to_owned()),
            bent: Mutex::new(json!({})),
            forged: Mutex::default(),
            codes: Mutex::default(),
            told: Mutex::new(json!({})),
            given: Mutex::default(),
            entered: AtomicUsize::new(0),
            left: AtomicUsize::new(0),
        });
        let router = server::router(&shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    /// Has a worker's console trust it.
    pub(crate) fn trusted_by(&self, config: &mut Config) {
        let http = &mut config.http;
        "127.0.0.1:0".clone_into(&mut http.listen);
        http.public_url.clone_from(&self.shared.console.lock().unwrap());
        http.oidc_issuer.clone_from(&self.url);
        CLIENT.clone_into(&mut http.oidc_client_id);
        http.oidc_client_secret = SECRET.to_owned().into();
        "console-api".clone_into(&mut http.oidc_audience);
        "realm.roles".clone_into(&mut http.oidc_roles_claim);
        let role = |role: ConsoleRole| OidcRole { value: format!("jc-{}", role.as_str()), role };
        http.oidc_roles = ConsoleRole::ALL.map(role).into();
        config.auth.leeway = Duration::from_secs(5);
        config.auth.jwks_cooldown = Duration::from_secs(1);
    }

    /// The same for a browser that finds the way by itself: by a name that makes console and issuer two sites to it.
    pub(crate) async fn trusted_by_a_console_at_localhost(&self, config: &mut Config) -> String {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let console = format!("http://localhost:{port}");
        self.shared.console.lock().unwrap().clone_from(&console);
        self.trusted_by(config);
        config.http.listen = format!("127.0.0.1:{port}");
        console
    }

    /// Waits until a worker's console has read what it says of itself.
    pub(crate) async fn until_known_to(&self, worker: &Worker) {
        let script = Caller::of(worker).bearing(&self.token("jc-viewer"));
        eventually("the console knows the issuer", PATIENCE, async || {
            let looked = script.get("/api/v1/overview").await;
            if looked.status == StatusCode::OK { Ok(()) } else { Err(looked) }
        })
        .await;
    }

    /// Lays this over the claims of the tokens that it makes from now on.
    pub(crate) fn bend(&self, claims: Value) {
        *self.shared.bent.lock().unwrap() = claims;
    }

    /// Gives this token, whoever logs in.
    pub(crate) fn forge(&self, token: Option<String>) {
        *self.shared.forged.lock().unwrap() = token;
    }

    /// Lays this over its document, for whoever reads it from now on.
    pub(crate) fn tell(&self, places: Value) {
        *self.shared.told.lock().unwrap() = places;
    }

    /// How often somebody was let in.
    pub(crate) fn entered(&self) -> usize {
        self.shared.entered.load(Ordering::SeqCst)
    }

    /// How often somebody was let out.
    pub(crate) fn left(&self) -> usize {
        self.shared.left.load(Ordering::SeqCst)
    }

    /// A token for scripts, of somebody with this role.
    pub(crate) fn token(&self, role: &str) -> String {
        self.shared.signed(&laid_over(self.shared.claims("console-api"), &json!({ "realm": { "roles": [role] } })))
    }

    /// The same with other claims.
    pub(crate) fn token_with(&self, claims: &Value) -> String {
        self.shared.signed(&laid_over(self.shared.claims("console-api"), claims))
    }

    /// A token of this issuer by a key that it does not have.
    pub(crate) fn token_of_unknown_key(&self, audience: &str) -> String {
        self.shared.keys.sign(&self.shared.claims(audience), Algorithm::Rs256, Some("never-heard-of")).unwrap()
    }

    /// A token that nobody signed.
    pub(crate) fn unsigned(&self, audience: &str) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", part(&json!({ "alg": "none", "typ": "JWT" })), part(&self.shared.claims(audience)))
    }

    /// Takes a browser that asks for a page to the issuer and back, up to the callback.
    pub(crate) async fn returning(&self, nobody: &Caller, page: &str) -> Returning {
        let asked = nobody.get(page).await;
        let form = nobody.get(asked.header("location")).await;
        let link =
            form.text.split("href=\"").find(|rest| rest.starts_with("/login/oidc")).expect("a link to the issuer");
        self.returning_by(nobody, link.split('"').next().unwrap()).await
    }

    /// The same from the link that leads to the issuer.
    pub(crate) async fn returning_by(&self, nobody: &Caller, link: &str) -> Returning {
        let sent = nobody.get(link).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{sent:?}");
        let at = sent.header("location").to_owned();
        assert!(at.starts_with(&format!("{}/authorize?", self.url)), "{at}");
        let cookie = sent.header("set-cookie");
        for part in ["HttpOnly", "SameSite=Lax", "Path=/login"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        let browser = nobody.with("cookie", cookie.split(';').next().unwrap());
        let (status, back) = self.visit(&at).await;
        assert!(status.is_redirection(), "{back}");
        let back: Url = back.parse().unwrap();
        Returning { callback: format!("{}?{}", back.path(), back.query().unwrap_or_default()), browser }
    }

    /// Opens a page of it; answers the status, and where that leads or what the page says.
    pub(crate) async fn visit(&self, at: &str) -> (StatusCode, String) {
        assert!(at.starts_with(&format!("{}/", self.url)), "{at}");
        let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        let answer = client.get(at).send().await.unwrap();
        let status = answer.status();
        let leads = answer.headers().get("location").map(|place| place.to_str().unwrap().to_owned());
        (status, if let Some(place) = leads { place } else { answer.text().await.unwrap() })
    }
}

impl Returning {
    /// Goes through with it.
    pub(crate) async fn arrive(&self) -> Page {
        self.browser.get(&self.callback).await
    }

    /// The callback with another value of a parameter.
    pub(crate) fn with(&self, name: &str, value: &str) -> String {
        let url: Url = format!("http://h{}", self.callback).parse().unwrap();
        let mut other = url.clone();
        let kept = url.query_pairs().filter(|(given, _)| given != name);
        other.query_pairs_mut().clear().extend_pairs(kept).append_pair(name, value);
        format!("{}?{}", other.path(), other.query().unwrap_or_default())
    }
}
