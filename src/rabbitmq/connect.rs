//! Connects to the broker within a limit. Separate because `lapin` itself knows no limit, and leaks a thread for every
//! attempt that is given up: so a socket of our own asks first whether anybody answers, and a guard ends what is left.

pub mod sieve;

mod guard;
mod probe;
mod reactor;

use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::{Connection, ConnectionProperties, ErrorKind};
#[cfg(feature = "worker")]
use secrecy::SecretString;
use tokio::time::{Instant, timeout_at};

use self::guard::{Guard, watch};
use self::probe::probe;
use self::sieve::Sieve;
use super::address::{Address, UrlError};
#[cfg(feature = "worker")]
use crate::config;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL cannot be used. Waiting does not help.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Nobody answers there.
    #[error("cannot reach {broker}: is the broker running, and are host and port right?")]
    Unreachable {
        /// Which broker.
        broker: Box<Address>,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// Something accepts connections there, and then says nothing.
    #[error(
        "{broker} accepts connections but does not answer within {limit:?}: the broker hangs, or is still starting"
    )]
    Silent {
        /// Which broker.
        broker: Box<Address>,
        /// How long it had.
        limit: Duration,
    },
    /// What answers does not speak AMQP 0-9-1.
    #[error("{broker} does not speak AMQP 0-9-1: is this the port of the management API, or of TLS?")]
    Foreign {
        /// Which broker.
        broker: Box<Address>,
    },
    /// The broker refuses this user, or refuses it this vhost.
    #[error(
        "{broker} refuses the connection: check the user, its password, that the vhost exists and the user's rights on it"
    )]
    Refused {
        /// Which broker, user and vhost.
        broker: Box<Address>,
        /// What the broker says.
        #[source]
        source: lapin::protocol::AMQPError,
    },
    /// The connection broke while it was made.
    #[error("the connection to {broker} broke while it was made")]
    Broken {
        /// Which broker.
        broker: Box<Address>,
        /// What happened.
        #[source]
        source: lapin::Error,
    },
}

/// How patient a connection is.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long it may take to be made, everything included.
    pub timeout: Duration,
    /// How often each side shows that it lives; after twice as long without a sign it counts as dead.
    pub heartbeat: Duration,
}

/// Connects within `config.timeout`, everything included; the broker shows the connection under `name`.
///
/// # Errors
///
/// [`ConnectError`]; none of its texts holds a password.
#[cfg(feature = "worker")]
pub async fn connect(url: &SecretString, name: &str, config: &config::Broker) -> Result<Connection, ConnectError> {
    let limits = Limits { timeout: config.timeout, heartbeat: config.heartbeat };
    open(&Address::parse(url)?, name, limits).await
}

/// Connects to an address within these limits; the broker shows the connection under `name`.
///
/// # Errors
///
/// [`ConnectError`]; none of its texts holds a password.
pub async fn open(address: &Address, name: &str, limits: Limits) -> Result<Connection, ConnectError> {
    let deadline = Instant::now() + limits.timeout;
    let silent = || ConnectError::Silent { broker: Box::new(address.clone()), limit: limits.timeout };
    let answering = probe(address, limits.timeout).await?;

    let mut uri = address.uri();
    let heartbeat = limits.heartbeat.as_secs().clamp(1, u16::MAX.into());
    uri.query.heartbeat = u16::try_from(heartbeat).ok();
    let properties = ConnectionProperties::default()
        .with_connection_name(name.into())
        .with_client_property("product".into(), env!("CARGO_PKG_NAME").into())
        .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into());

    let guard = Guard::default();
    let socket = Arc::clone(&guard.0);
    let (tls, host, tokio) = (address.is_tls(), address.host().to_owned(), async_rs::Tokio::current());
    let handshake = Connection::connector(
        uri,
        reactor::runtime(),
        // This runs on a thread of lapin's, which outlives a time-out of ours: so it has one of its own.
        async move |_, _| {
            let open = async {
                let mut stream = reactor::Bare::connect(&tokio, answering).await?;
                if let AsyncTcpStream::Plain(plain) = &stream {
                    watch(&socket, plain.get_ref().as_fd())?;
                }
                if tls {
                    stream = stream.into_tls(&host, OwnedTLSConfig::default().as_ref()).await?;
                }
                // Sifted after it is deciphered, and by us: so to `lapin` it is a plain one.
                Ok(AsyncTcpStream::Plain(Sieve::new(stream)))
            };
            let opened = timeout_at(deadline, open).await;
            opened.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut))).map_err(lapin::Error::from)
        },
        properties,
    );
    let connection = timeout_at(deadline, handshake).await.map_err(|_| silent())?;
    let connection = connection.map_err(|source| failed(address, source))?;
    guard.keep();
    Ok(connection)
}

/// Sorts what went wrong after the broker had answered.
fn failed(address: &Address, source: lapin::Error) -> ConnectError {
    const ACCESS_REFUSED: u16 = 403;
    const NOT_ALLOWED: u16 = 530;
    let broker = Box::new(address.clone());
    if let ErrorKind::ProtocolError(error) = source.kind()
        && [ACCESS_REFUSED, NOT_ALLOWED].contains(&error.get_id())
    {
        return ConnectError::Refused { broker, source: error.clone() };
    }
    ConnectError::Broken { broker, source }
}

#[cfg(all(test, feature = "worker"))]
mod tests {
    use std::time::Duration;

    use secrecy::SecretString;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::{ConnectError, connect};
    use crate::config::Broker;

    /// Held while threads are counted, because tests share a process.
    static COUNTING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

    const START: &[u8] = b"\x01\0\0\0\0\0\x1a\0\x0a\0\x0a\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US\xce";

    fn config(timeout: Duration) -> Broker {
        let none = SecretString::default;
        Broker {
            url: none(),
            producer_url: none(),
            operator_url: none(),
            management_url: none(),
            prefix: String::new(),
            shards: 1,
            declare: false,
            reply_queues: Vec::new(),
            heartbeat: Duration::from_secs(10),
            timeout,
            confirm_timeout: timeout,
        }
    }

    async fn listener() -> (TcpListener, SecretString) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, format!("amqp://user:hunter2@127.0.0.1:{port}/%2f").into())
    }

    fn threads_of_lapin() -> usize {
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let name =
            |thread: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok();
        threads.filter_map(name).filter(|name| name.trim() == "lapin-io-loop").count()
    }

    #[tokio::test]
    async fn a_broker_that_accepts_and_never_answers_is_silent_and_lapin_is_never_asked() {
        let (listener, url) = listener().await;
        let _alone = COUNTING.lock().await;
        let error = connect(&url, "test", &config(Duration::from_millis(200))).await.unwrap_err();
        assert_eq!(threads_of_lapin(), 0);
        assert!(matches!(error, ConnectError::Silent { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        let (mut probe, _) = listener.accept().await.unwrap();
        let mut said = Vec::new();
        probe.read_to_end(&mut said).await.unwrap();
        assert_eq!(said, b"AMQP\0\0\x09\x01", "the probe says hello and leaves");
        drop(listener.into_std().map(|listener| assert!(listener.accept().is_err(), "lapin connected as well")));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_broker_that_hangs_after_its_greeting_leaves_no_thread_behind() {
        let (listener, url) = listener().await;
        let _alone = COUNTING.lock().await;
        let broker = tokio::spawn(async move {
            let (mut probe, _) = listener.accept().await.unwrap();
            probe.write_all(START).await.unwrap();
            let (mut handshake, _) = listener.accept().await.unwrap();
            // It is the thread that says hello.
            handshake.read_exact(&mut [0; 8]).await.unwrap();
            let seen = threads_of_lapin();
            handshake.read_to_end(&mut Vec::new()).await.unwrap();
            seen
        });
        let error = connect(&url, "test", &config(Duration::from_secs(1))).await.unwrap_err();
        assert!(matches!(error, ConnectError::Silent { .. }), "{error:?}");
        let limit = Duration::from_secs(10);
        let seen = tokio::time::timeout(limit, broker).await.expect("the socket stays open").unwrap();
        assert!(seen > 0, "the threads that are counted are lapin's");
        let gone = async {
            while threads_of_lapin() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(limit, gone).await.expect("the thread waits for ever");
    }

    #[tokio::test]
    async fn what_speaks_something_else_is_foreign_and_where_nobody_listens_is_unreachable() {
        let (listener, url) = listener().await;
        let other = tokio::spawn(async move {
            let (mut probe, _) = listener.accept().await.unwrap();
            probe.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        });
        let error = connect(&url, "test", &config(Duration::from_secs(10))).await.unwrap_err();
        assert!(matches!(error, ConnectError::Foreign { .. }), "{error:?}");
        other.await.unwrap();
        let error = connect(&url, "test", &config(Duration::from_secs(10))).await.unwrap_err();
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    }
}
