//! A TCP proxy in front of one service, with everything that a network can do to what is sent over it. Apart from the one that
//! other tests use, because these faults come by chance from a seed, are counted, and hit a certain byte.

mod cuts;
mod pump;
mod talk;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::Url;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::dice::Dice;

pub(crate) use cuts::{Cut, Cuts};
pub(crate) use talk::Said;

use talk::Talk;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 128;
/// Between two looks at whether all connections are gone.
const PAUSE: Duration = Duration::from_millis(5);

/// What is wrong with the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// Nothing.
    Good,
    /// Nobody listens, and every connection is closed.
    Refusing,
    /// Everything takes so long, each way.
    Slow(Duration),
    /// So many bytes a second pass, each way of each connection.
    Narrow(usize),
    /// Nothing arrives on this way; the other one is whole.
    Hung(Way),
    /// A connection is reset after so many bytes, give or take.
    Torn(usize),
    /// Every answer to the statement with these words is lost, and the connection with it: PostgreSQL has done it, and
    /// nobody hears so.
    Unanswered(&'static str),
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the worker.
    Up,
    /// To the worker.
    Down,
}

/// The proxy. What hung arrives once the network is whole again, as it does where the network retransmits.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

/// What all connections share.
pub(super) struct Shared {
    network: watch::Sender<Network>,
    state: Mutex<State>,
}

/// What changes.
pub(super) struct State {
    pub(super) dice: Dice,
    pub(super) cuts: Cuts,
    pub(super) said: Vec<Arc<Mutex<Said>>>,
    pub(super) broken: u64,
    pub(super) open: usize,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Proxy {
    /// Puts a proxy in front of the service that a URL leads to; answers the URL that leads to the proxy.
    pub(crate) fn before(url: &str, seed: u64) -> Result<(Self, String)> {
        let service = url.parse::<Url>().context("the URL of a service")?.socket_addrs(|| None)?;
        Self::balancing(url, vec![*service.first().context("an address and a port")?], seed)
    }

    /// The same in front of several that are the same service, as a load balancer: each connection goes to the next of
    /// them that takes it. Answers the URL with the proxy's address in it.
    pub(crate) fn balancing(url: &str, services: Vec<SocketAddr>, seed: u64) -> Result<(Self, String)> {
        let mut changed: Url = url.parse().context("the URL of a service")?;
        // A runtime of its own: what blocks a trial must not look like a fault of the network.
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let _entered = runtime.enter();
        // Never listens, and keeps the port while nobody does.
        let holder = TcpSocket::new_v4()?;
        holder.set_reuseport(true)?;
        holder.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = holder.local_addr()?;
        changed.set_host(Some("127.0.0.1")).context("a URL with a host")?;
        changed.set_port(Some(address.port())).map_err(|()| anyhow::anyhow!("a URL with a port"))?;
        let state = State { dice: Dice::new(seed), cuts: Cuts::default(), said: Vec::new(), broken: 0, open: 0 };
        let shared = Arc::new(Shared { network: watch::channel(Network::Good).0, state: Mutex::new(state) });
        let listener = listen(address)?;
        runtime.spawn(serve((holder, listener), address, services, Arc::clone(&shared)));
        Ok((Self { shared, runtime: Some(runtime) }, changed.into()))
    }

    /// Sets what is wrong with the network from now on.
    pub(crate) fn set(&self, network: Network) {
        self.shared.network.send_replace(network);
    }

    /// How many connections the network broke off.
    pub(crate) fn broken(&self) -> u64 {
        self.shared.state().broken
    }

    /// What was said on each connection so far, at its beginning.
    pub(crate) fn said(&self) -> Vec<Said> {
        let said = self.shared.state().said.clone();
        said.iter().map(|said| said.lock().unwrap_or_else(PoisonError::into_inner).clone()).collect()
    }

    /// Plans cuts, in place of those that were planned before; answers those that were never made.
    pub(crate) fn plan(&self, cuts: Cuts) -> Vec<Cut> {
        std::mem::replace(&mut self.shared.state().cuts, cuts).left()
    }

    /// How many of the planned cuts are not made yet.
    pub(crate) fn left(&self) -> usize {
        self.shared.state().cuts.len()
    }

    /// Ends every connection, so that all are made anew; returns once they are gone, however busy the machine is.
    pub(crate) async fn interrupt(&self) {
        self.set(Network::Refusing);
        while self.shared.state().open > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        self.set(Network::Good);
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket.listen(BACKLOG)?)
}

/// Listens whenever the network is not refused.
async fn serve(
    (holder, first): (TcpSocket, TcpListener),
    address: SocketAddr,
    mut services: Vec<SocketAddr>,
    shared: Arc<Shared>,
) {
    let mut network = shared.network.subscribe();
    let mut connections = JoinSet::new();
    let mut listener = Some(first);
    loop {
        let Some(open) = &listener else {
            if network.wait_for(|network| *network != Network::Refusing).await.is_err() {
                break;
            }
            listener = listen(address).ok();
            continue;
        };
        tokio::select! {
            accepted = open.accept() => {
                if let Ok((client, _)) = accepted {
                    let (talk, network) = (Talk::new(&shared), shared.network.subscribe());
                    connections.spawn(pump::connect(client, services.clone(), talk, network));
                    services.rotate_left(1);
                }
            }
            refused = network.wait_for(|network| *network == Network::Refusing) => {
                if refused.is_err() {
                    break;
                }
                listener = None;
            }
        }
        // Those that ended are let go of.
        while connections.try_join_next().is_some() {}
    }
    drop(holder);
}
