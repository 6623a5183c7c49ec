//! A receiver of webhooks: takes what is posted to it, and answers as a test wants. It knows nothing of the worker but the
//! public half of its key.

use std::collections::HashSet;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use axum::Router;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::{any, post};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::support::{PATIENCE, variable};

/// The worker's key, private half in PEM, and its public half.
pub(crate) static KEY: LazyLock<(String, DecodingKey)> = LazyLock::new(key);

/// A new key, private half in PEM, and its public half.
pub(crate) fn key() -> (String, DecodingKey) {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem = pem::encode(&pem::Pem::new("PRIVATE KEY", der.as_ref().to_vec()));
    (pem, DecodingKey::from_rsa_der(pair.public_key().as_ref()))
}

/// How a receiver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With this status, at once.
    Status(StatusCode),
    /// Not before it is told to answer otherwise.
    Never,
}

/// What was posted.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    /// Header `content-type`.
    pub(crate) kind: String,
    /// The body.
    pub(crate) body: String,
}

impl Posted {
    /// The claims, once the signature is verified.
    pub(crate) fn claims(&self) -> Value {
        self.claims_by(&KEY.1)
    }

    /// The same where another key has signed.
    pub(crate) fn claims_by(&self, key: &DecodingKey) -> Value {
        let verified = decode(&self.body, key, &Validation::new(Algorithm::RS256));
        verified.unwrap_or_else(|error| panic!("the signature does not hold: {error}: {}", self.body)).claims
    }

    /// What the webhook says around its event.
    pub(crate) fn said(&self) -> Value {
        within(&self.claims()["data"])
    }

    /// The event.
    pub(crate) fn event(&self) -> Value {
        within(&self.said()["data"])
    }
}

/// JSON that is a text within JSON.
pub(crate) fn within(text: &Value) -> Value {
    let text = text.as_str().unwrap_or_else(|| panic!("no text: {text}"));
    serde_json::from_str(text).unwrap_or_else(|error| panic!("no JSON: {error}: {text}"))
}

/// A receiver.
pub(crate) struct Receiver {
    url: String,
    answer: watch::Sender<Answer>,
    came: mpsc::UnboundedReceiver<Posted>,
    led_away: Arc<AtomicUsize>,
}

type Shared = (mpsc::UnboundedSender<Posted>, watch::Receiver<Answer>);

impl Receiver {
    /// Listens on a free port, and answers so until it is told otherwise.
    pub(crate) async fn start(first: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        let (to_test, came) = mpsc::unbounded_channel();
        let (answer, answers) = watch::channel(first);
        let led_away = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&led_away);
        let elsewhere = any(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async { StatusCode::OK }
        });
        let router = Router::new().route("/hooks", post(take)).route("/elsewhere", elsewhere);
        let router = router.with_state((to_test, answers));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, answer, came, led_away }
    }

    /// One by TLS, with the certificate of the services: an authority vouches for it that nobody else knows. Answers 200.
    pub(crate) fn by_tls() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}/hooks", listener.local_addr().unwrap().port());
        let (to_test, came) = mpsc::unbounded_channel();
        let (answer, _) = watch::channel(Answer::Status(StatusCode::OK));
        let tls = certificate();
        thread::spawn(move || {
            // Whoever does not trust it hangs up before anything is posted.
            for posted in listener.incoming().flatten().filter_map(|stream| take_by_tls(stream, &tls).ok()) {
                to_test.send(posted).ok();
            }
        });
        Self { url, answer, came, led_away: Arc::default() }
    }

    /// Its URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Answers so from now on; what waits for an answer gets this one.
    pub(crate) fn answers(&self, answer: Answer) {
        self.answer.send_replace(answer);
    }

    /// How often it was asked for what its redirects lead to, where it would have answered 200.
    pub(crate) fn led_away(&self) -> usize {
        self.led_away.load(Ordering::Relaxed)
    }

    /// The next that is posted.
    pub(crate) async fn next(&mut self) -> Posted {
        let next = tokio::time::timeout(PATIENCE, self.came.recv()).await;
        next.unwrap_or_else(|_| panic!("no webhook within {PATIENCE:?}")).expect("the receiver lives")
    }

    /// Forgets what was posted so far; answers how much that was.
    pub(crate) fn forget(&mut self) -> usize {
        std::iter::from_fn(|| self.came.try_recv().ok()).count()
    }

    /// Waits until it was told of each of these members.
    pub(crate) async fn until_told_of(&mut self, members: &[Uuid]) {
        let mut missing: HashSet<Uuid> = members.iter().copied().collect();
        while !missing.is_empty() {
            let event = self.next().await.event();
            missing.remove(&event["entityId"].as_str().unwrap().parse().unwrap());
        }
    }
}

async fn take(
    State((to_test, mut answers)): State<Shared>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, HeaderMap) {
    // As it is told to when this comes, not later.
    let mut answer = *answers.borrow_and_update();
    let kind = headers["content-type"].to_str().unwrap().to_owned();
    to_test.send(Posted { kind, body }).ok();
    loop {
        if let Answer::Status(status) = answer {
            return answered(status);
        }
        if answers.changed().await.is_err() {
            return answered(StatusCode::GONE);
        }
        answer = *answers.borrow_and_update();
    }
}

/// A redirect says where to.
fn answered(status: StatusCode) -> (StatusCode, HeaderMap) {
    let mut headers = HeaderMap::new();
    if status.is_redirection() {
        headers.insert(LOCATION, HeaderValue::from_static("/elsewhere"));
    }
    (status, headers)
}

fn certificate() -> Arc<ServerConfig> {
    let folder = variable("TLS_FOLDER");
    let certificate = CertificateDer::from_pem_file(Path::new(&folder).join("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(Path::new(&folder).join("server-key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
}

/// Takes one webhook, and answers 200.
fn take_by_tls(mut stream: TcpStream, tls: &Arc<ServerConfig>) -> io::Result<Posted> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut session = ServerConnection::new(Arc::clone(tls)).map_err(io::Error::other)?;
    let mut encrypted = rustls::Stream::new(&mut session, &mut stream);
    let mut reader = BufReader::new(&mut encrypted);
    let (mut kind, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let header = line.trim_end();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(": ").unwrap_or_default();
        if name.eq_ignore_ascii_case("content-type") {
            value.clone_into(&mut kind);
        } else if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    encrypted.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    encrypted.flush()?;
    session.send_close_notify();
    session.complete_io(&mut stream).ok();
    Ok(Posted { kind, body: String::from_utf8(body).map_err(io::Error::other)? })
}
