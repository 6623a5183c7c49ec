//! An issuer's server and a scratch directory, for tests that read keys from where they really come from.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use tokio::net::TcpSocket;
use tokio::sync::{MutexGuard, Notify};
use uuid::Uuid;

/// A web server that answers as it is told and counts how often it was asked.
pub(super) struct Server {
    pub(super) url: String,
    socket: Mutex<Option<TcpSocket>>,
    state: Arc<Answers>,
}

struct Answers {
    next: Mutex<(StatusCode, String)>,
    asked: AtomicUsize,
    came: Notify,
    gate: tokio::sync::Mutex<()>,
}

impl Server {
    /// A server that holds its port but refuses connections until [`Server::open`].
    pub(super) fn closed() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("http://user:secret@{}/keys?token=secret", socket.local_addr().unwrap());
        let next = Mutex::new((StatusCode::OK, String::new()));
        let gate = tokio::sync::Mutex::new(());
        let state = Arc::new(Answers { next, asked: AtomicUsize::new(0), came: Notify::new(), gate });
        Self { url, socket: Mutex::new(Some(socket)), state }
    }

    pub(super) fn open(&self) {
        let listener = self.socket.lock().unwrap().take().unwrap().listen(64).unwrap();
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&self.state));
        tokio::spawn(async move { axum::serve(listener, routes).await });
    }

    pub(super) fn answering(status: StatusCode, body: &str) -> Self {
        let server = Self::closed();
        server.answer(status, body);
        server.open();
        server
    }

    pub(super) fn answer(&self, status: StatusCode, body: &str) {
        *self.state.next.lock().unwrap() = (status, body.to_owned());
    }

    /// No answer leaves before this is dropped.
    pub(super) async fn hold(&self) -> MutexGuard<'_, ()> {
        self.state.gate.lock().await
    }

    /// Waits until somebody has asked.
    pub(super) async fn question(&self) {
        self.state.came.notified().await;
    }

    pub(super) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }
}

async fn answer(
    State(state): State<Arc<Answers>>,
) -> (StatusCode, [(axum::http::HeaderName, &'static str); 1], String) {
    state.asked.fetch_add(1, Ordering::SeqCst);
    state.came.notify_one();
    let _open = state.gate.lock().await;
    let (status, body) = state.next.lock().unwrap().clone();
    (status, [(LOCATION, "/elsewhere")], body)
}

/// A directory that is gone when the test is over.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("join-community-{}", Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}
