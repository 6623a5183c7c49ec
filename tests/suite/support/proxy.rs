//! A TCP proxy in front of one service, whose wire can be cut, hung and mended. Apart, because a fault on the wire is the
//! one fault that tests may make while others use the same services.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What is wrong with the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Nothing.
    Whole,
    /// Every connection is closed, and every new one at once.
    Cut,
    /// Connections stay open, and nothing arrives at either end: a black hole.
    Hung,
    /// Nothing arrives at the service.
    HungToService,
    /// Nothing arrives at the client.
    HungToClient,
}

impl Wire {
    fn passes(self, way: Way) -> bool {
        match self {
            Self::Whole => true,
            Self::Cut | Self::Hung => false,
            Self::HungToService => way == Way::ToClient,
            Self::HungToClient => way == Way::ToService,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    ToService,
    ToClient,
}

/// The proxy. What hung arrives once the wire is whole again, as it does where the network retransmits.
///
/// It has a thread of its own: when a test ends, its runtime stands still, and PostgreSQL drops no database while a
/// connection hangs in the middle of its login.
pub(crate) struct Proxy {
    wire: watch::Sender<Wire>,
    runtime: Option<Runtime>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Proxy {
    /// Puts a proxy in front of the service that the URL leads to, and changes the URL to lead there.
    pub(crate) fn before(url: &mut SecretString) -> Self {
        Self::of_some(url, "")
    }

    /// The same, but only connections whose client says these words at its start meet with faults. An AMQP client says
    /// the name of its connection, so the two connections of a worker can be told apart.
    pub(crate) fn of_some(url: &mut SecretString, words: &'static str) -> Self {
        let (listener, service) = detour(url);
        let (wire, faults) = watch::channel(Wire::Whole);
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a thread");
        runtime.spawn(serve(listener, service, words, faults));
        Self { wire, runtime: Some(runtime) }
    }

    /// Sets what is wrong with the wire from now on.
    pub(crate) fn set(&self, wire: Wire) {
        self.wire.send_replace(wire);
    }
}

/// Changes the URL of a service to lead to a listener, and answers that and where the service is.
pub(super) fn detour(url: &mut SecretString) -> (std::net::TcpListener, SocketAddr) {
    let mut changed: Url = url.expose_secret().parse().expect("the URL of a service");
    let service = changed.socket_addrs(|| None).expect("an address and a port")[0];
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    changed.set_host(Some("127.0.0.1")).expect("a URL with a host");
    changed.set_port(Some(listener.local_addr().expect("a bound port").port())).expect("a URL with a port");
    *url = SecretString::from(String::from(changed));
    (listener, service)
}

async fn serve(
    listener: std::net::TcpListener,
    service: SocketAddr,
    words: &'static str,
    faults: watch::Receiver<Wire>,
) {
    let listener = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener)).expect("a listener");
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(connect(client, service, words, faults.clone()));
        // Those that ended are let go of.
        while connections.try_join_next().is_some() {}
    }
}

async fn connect(client: TcpStream, service: SocketAddr, words: &'static str, mut faults: watch::Receiver<Wire>) {
    let fault = Fault { words: words.as_bytes(), is_meant: Arc::new(AtomicBool::new(words.is_empty())) };
    if *faults.borrow_and_update() == Wire::Cut && words.is_empty() {
        return;
    }
    let Ok(service) = TcpStream::connect(service).await else { return };
    client.set_nodelay(true).and_then(|()| service.set_nodelay(true)).ok();
    let ((from_client, to_client), (from_service, to_service)) = (client.into_split(), service.into_split());
    // The first way that ends closes both.
    tokio::select! {
        () = pump(from_client, to_service, Way::ToService, fault.clone(), faults.clone()) => {}
        () = pump(from_service, to_client, Way::ToClient, fault, faults) => {}
    }
}

/// Whether the faults of the wire are meant for a connection.
#[derive(Clone)]
struct Fault {
    words: &'static [u8],
    is_meant: Arc<AtomicBool>,
}

impl Fault {
    fn look_at(&self, said: &[u8]) {
        if !self.words.is_empty() && said.windows(self.words.len()).any(|words| words == self.words) {
            self.is_meant.store(true, Ordering::SeqCst);
        }
    }

    /// Waits for a state of the wire, on a connection that faults are meant for. Never ends with the proxy.
    async fn until(&self, faults: &mut watch::Receiver<Wire>, state: impl Fn(Wire) -> bool) {
        let mut wanted = |wire: &Wire| state(if self.is_meant.load(Ordering::SeqCst) { *wire } else { Wire::Whole });
        if faults.wait_for(&mut wanted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    way: Way,
    fault: Fault,
    mut faults: watch::Receiver<Wire>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = tokio::select! {
            () = fault.until(&mut faults, |wire| wire == Wire::Cut) => return,
            read = from.read(&mut buffer) => read.unwrap_or(0),
        };
        if read == 0 {
            return;
        }
        if way == Way::ToService {
            fault.look_at(&buffer[..read]);
        }
        fault.until(&mut faults, |wire| wire == Wire::Cut || wire.passes(way)).await;
        let is_cut = *faults.borrow() == Wire::Cut && fault.is_meant.load(Ordering::SeqCst);
        if is_cut || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
