//! Moves the bytes of one connection, late, slowly, or not at all, as the network is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::talk::Talk;
use super::{Network, Way};

/// Bytes that are read at once.
const PIECE: usize = 16 * 1024;
/// Pieces under way: what hangs is bounded.
const UNDER_WAY: usize = 256;
/// Where little passes, it passes so often in a second.
const TICKS: usize = 20;

/// Connects a client with the first service that takes it until either ends, or the network breaks them off.
pub(super) async fn connect(
    client: TcpStream,
    services: Vec<SocketAddr>,
    talk: Arc<Talk>,
    mut network: watch::Receiver<Network>,
) {
    // Tried in their order, until one answers.
    let Ok(service) = TcpStream::connect(services.as_slice()).await else { return };
    client.set_nodelay(true).and_then(|()| service.set_nodelay(true)).ok();
    let ((from_client, to_client), (from_service, to_service)) = (client.into_split(), service.into_split());
    let there = Line { way: Way::Up, talk: Arc::clone(&talk), network: network.clone() };
    let back = Line { way: Way::Down, talk: Arc::clone(&talk), network: network.clone() };
    // The first way that ends closes both.
    tokio::select! {
        () = there.pump(from_client, to_service) => {}
        () = back.pump(from_service, to_client) => {}
        _ = network.wait_for(|network| *network == Network::Refusing) => talk.broke(),
    }
}

/// One way of a connection.
struct Line {
    way: Way,
    talk: Arc<Talk>,
    network: watch::Receiver<Network>,
}

impl Line {
    /// Reads ahead, so that what is late does not wait for what is before it.
    async fn pump(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
        let reading = async move {
            let mut buffer = vec![0; PIECE];
            while let Ok(read @ 1..) = from.read(&mut buffer).await {
                if sender.send((Instant::now(), buffer[..read].to_vec())).await.is_err() {
                    break;
                }
            }
            // What was read before the end still passes.
            drop(sender);
            (from, std::future::pending::<()>().await)
        };
        let writing = async {
            while let Some((read_at, bytes)) = receiver.recv().await {
                if !self.deliver(read_at, &bytes, &mut to).await {
                    break;
                }
            }
        };
        tokio::select! {
            () = writing => {}
            _ = reading => {}
        }
    }

    /// Delivers a piece when its time has come. Answers whether the connection goes on.
    async fn deliver(&mut self, read_at: Instant, bytes: &[u8], to: &mut OwnedWriteHalf) -> bool {
        let network = self.until_due(read_at).await;
        let end = self.talk.hear(network, self.way, bytes);
        let bytes = &bytes[..end.map_or(bytes.len(), |end| end.after)];
        let written = match network {
            Network::Narrow(rate) => drip(bytes, rate, to).await,
            Network::Good
            | Network::Refusing
            | Network::Slow(_)
            | Network::Hung(_)
            | Network::Torn(_)
            | Network::Unanswered(_) => to.write_all(bytes).await,
        };
        if end.is_some_and(|end| end.reset) {
            to.as_ref().set_zero_linger().ok();
        }
        written.is_ok() && end.is_none()
    }

    /// Waits until a piece may arrive, whatever changes meanwhile.
    async fn until_due(&mut self, read_at: Instant) -> Network {
        loop {
            let network = *self.network.borrow_and_update();
            let due = match network {
                Network::Hung(way) if way == self.way => None,
                Network::Slow(delay) => Some(read_at + delay),
                Network::Good
                | Network::Refusing
                | Network::Narrow(_)
                | Network::Hung(_)
                | Network::Torn(_)
                | Network::Unanswered(_) => {
                    return network;
                }
            };
            let changed = async {
                if self.network.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            match due {
                Some(due) => tokio::select! {
                    () = tokio::time::sleep_until(due) => return network,
                    () = changed => {}
                },
                None => changed.await,
            }
        }
    }
}

/// A little at a time.
async fn drip(bytes: &[u8], rate: usize, to: &mut OwnedWriteHalf) -> std::io::Result<()> {
    for drop in bytes.chunks((rate / TICKS).max(1)) {
        to.write_all(drop).await?;
        tokio::time::sleep(Duration::from_secs(1) / u32::try_from(TICKS).unwrap_or(1)).await;
    }
    Ok(())
}
