//! A TCP proxy in front of one service, for what networks do: slow, narrow, one-way, refusing, cut at any byte. With a
//! runtime of its own, so that nothing else that happens here delays it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// What a network does to every connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// Nothing.
    Good,
    /// New connections are closed at once, open ones are cut.
    Refusing,
    /// Everything arrives so much later, each way.
    Slow(Duration),
    /// So many bytes a second, each way.
    Narrow(u32),
    /// Nothing arrives at the service.
    DeafService,
    /// Nothing arrives at the client.
    DeafClient,
    /// The next connection is cut once so many bytes went this way.
    CutAt(Way, u64),
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From client to service.
    Up,
    /// From service to client.
    Down,
}

/// The proxy.
pub(crate) struct Proxy {
    network: watch::Sender<Network>,
    cuts: Arc<AtomicU64>,
    runtime: Option<Runtime>,
}

impl Proxy {
    /// Puts one in front of the service that a URL leads to; answers the URL that leads through it.
    pub(crate) fn before(url: &str) -> Result<(Self, String)> {
        let mut through: Url = url.parse()?;
        let service = *through.socket_addrs(|| None)?.first().context("an address")?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        through.set_host(Some("127.0.0.1"))?;
        through.set_port(Some(listener.local_addr()?.port())).map_err(|()| anyhow::anyhow!("a URL with a port"))?;
        let (network, state) = watch::channel(Network::Good);
        let cuts = Arc::new(AtomicU64::new(0));
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.spawn(serve(listener, service, state, Arc::clone(&cuts)));
        Ok((Self { network, cuts, runtime: Some(runtime) }, through.into()))
    }

    /// Sets what the network does from now on.
    pub(crate) fn set(&self, network: Network) {
        self.network.send_replace(network);
    }

    /// How many connections were cut at a byte.
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(
    listener: std::net::TcpListener,
    service: SocketAddr,
    network: watch::Receiver<Network>,
    cuts: Arc<AtomicU64>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((client, _)) = listener.accept().await {
        if *network.borrow() != Network::Refusing {
            tokio::spawn(connect(client, service, network.clone(), Arc::clone(&cuts)));
        }
    }
}

async fn connect(client: TcpStream, service: SocketAddr, network: watch::Receiver<Network>, cuts: Arc<AtomicU64>) {
    let Ok(service) = TcpStream::connect(service).await else { return };
    client.set_nodelay(true).and_then(|()| service.set_nodelay(true)).ok();
    let ((from_client, to_client), (from_service, to_service)) = (client.into_split(), service.into_split());
    // The first way that ends closes both.
    tokio::select! {
        () = pump(from_client, to_service, Way::Up, network.clone(), &cuts) => {}
        () = pump(from_service, to_client, Way::Down, network, &cuts) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    way: Way,
    mut network: watch::Receiver<Network>,
    cuts: &AtomicU64,
) {
    let mut buffer = vec![0; 16 * 1024];
    let mut passed = 0;
    loop {
        let read = tokio::select! {
            _ = network.wait_for(|network| *network == Network::Refusing) => return,
            read = from.read(&mut buffer) => read.unwrap_or(0),
        };
        if read == 0 {
            return;
        }
        let deaf = |network: &Network| match network {
            Network::DeafService => way == Way::Up,
            Network::DeafClient => way == Way::Down,
            Network::Good | Network::Refusing | Network::Slow(_) | Network::Narrow(_) | Network::CutAt(_, _) => false,
        };
        // What hung arrives later, as where a network sends again.
        if network.wait_for(|network| !deaf(network)).await.is_err() {
            return;
        }
        let state = *network.borrow();
        let mut chunk = &buffer[..read];
        match state {
            Network::Refusing => return,
            Network::Slow(delay) => tokio::time::sleep(delay).await,
            Network::Narrow(rate) => {
                let bytes = u32::try_from(read).unwrap_or(u32::MAX);
                tokio::time::sleep(Duration::from_secs_f64(f64::from(bytes) / f64::from(rate))).await;
            }
            Network::CutAt(cut, at) if cut == way && passed + chunk.len() as u64 >= at => {
                chunk = &chunk[..usize::try_from(at.saturating_sub(passed)).unwrap_or(0)];
                to.write_all(chunk).await.ok();
                to.flush().await.ok();
                cuts.fetch_add(1, Ordering::SeqCst);
                return;
            }
            Network::Good | Network::CutAt(_, _) | Network::DeafService | Network::DeafClient => {}
        }
        passed += chunk.len() as u64;
        if to.write_all(chunk).await.is_err() {
            return;
        }
    }
}
