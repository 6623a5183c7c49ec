//! Connects to the broker within a limit. Separate because `lapin` itself knows no limit, and leaks a thread for every
//! attempt that is given up: so a socket of our own asks first whether anybody answers, and a guard ends what is left.

pub mod sieve;

mod error;
mod guard;
mod probe;
mod reactor;
mod tls;

use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use lapin::tcp::AsyncTcpStream;
use lapin::{Connection, ConnectionProperties, ErrorKind};
#[cfg(feature = "worker")]
use secrecy::SecretString;
use tokio::time::{Instant, timeout_at};

pub use self::error::ConnectError;
use self::guard::{Guard, watch};
use self::probe::probe;
use self::sieve::Sieve;
pub use self::tls::TlsFiles;
use self::tls::Trouble;
use super::address::Address;
#[cfg(feature = "worker")]
use crate::config;

/// How patient a connection is.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long it may take to be made, everything included.
    pub timeout: Duration,
    /// How often each side shows that it lives; after twice as long without a sign it counts as dead.
    pub heartbeat: Duration,
}

/// Connects within `config.timeout`, everything included; the broker shows the connection under `name` and our version.
///
/// # Errors
///
/// [`ConnectError`]; none of its texts holds a password.
#[cfg(feature = "worker")]
pub async fn connect(url: &SecretString, name: &str, config: &config::Broker) -> Result<Connection, ConnectError> {
    let limits = Limits { timeout: config.timeout, heartbeat: config.heartbeat };
    let config::Broker { ca_file, client_cert_file, client_key_file, .. } = config.clone();
    // Boxed: it is large, and whoever connects would be.
    Box::pin(open(&Address::parse(url)?, name, limits, TlsFiles { ca_file, client_cert_file, client_key_file })).await
}

/// Connects to an address within these limits, by TLS with these files; the broker shows the connection under `name` and our
/// version.
///
/// # Errors
///
/// [`ConnectError`]; none of its texts holds a password.
pub async fn open(address: &Address, name: &str, limits: Limits, files: TlsFiles) -> Result<Connection, ConnectError> {
    let deadline = Instant::now() + limits.timeout;
    let silent = || ConnectError::Silent { broker: Box::new(address.clone()), limit: limits.timeout };
    let unequipped = |source| ConnectError::Unequipped { broker: Box::new(address.clone()), source };
    let tls = if address.is_tls() { Some(tls::connector(files).await.map_err(unequipped)?) } else { None };
    let answering = probe(address, limits.timeout).await?;

    let mut uri = address.uri();
    let heartbeat = limits.heartbeat.as_secs().clamp(1, u16::MAX.into());
    uri.query.heartbeat = u16::try_from(heartbeat).ok();
    let shown = format!("{name} {}", env!("CARGO_PKG_VERSION"));
    let properties = ConnectionProperties::default()
        .with_connection_name(shown.as_str().into())
        .with_client_property("product".into(), env!("CARGO_PKG_NAME").into())
        .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into());

    let guard = Guard::default();
    let socket = Arc::clone(&guard.0);
    let (host, tokio) = (address.host().to_owned(), async_rs::Tokio::current());
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
                if let Some(connector) = &tls {
                    stream = stream.into_rustls(connector, &host).await?;
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
    let trouble = if let ErrorKind::IOError(error) = source.kind()
        && address.is_tls()
    {
        Trouble::of(error)
    } else {
        None
    };
    match trouble {
        Some(Trouble::Untrusted) => ConnectError::Untrusted { broker, source },
        Some(Trouble::Refused) => ConnectError::Unproven { broker, source },
        Some(Trouble::Foreign) => ConnectError::Foreign { broker },
        None => ConnectError::Broken { broker, source },
    }
}

#[cfg(test)]
#[cfg(feature = "worker")]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use secrecy::{ExposeSecret as _, SecretString};
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
            ca_file: PathBuf::new(),
            client_cert_file: PathBuf::new(),
            client_key_file: PathBuf::new(),
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

    async fn until_no_thread_is_left() {
        let gone = async {
            while threads_of_lapin() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the thread waits for ever");
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
        until_no_thread_is_left().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_speaks_no_tls_where_it_should_is_foreign() {
        let (listener, url) = listener().await;
        let _alone = COUNTING.lock().await;
        let plain = tokio::spawn(async move {
            drop(listener.accept().await.unwrap());
            let (mut handshake, _) = listener.accept().await.unwrap();
            // What RabbitMQ says to whoever does not begin as it expects.
            handshake.write_all(b"AMQP\0\0\x09\x01").await.unwrap();
            handshake.read_to_end(&mut Vec::new()).await.ok();
        });
        let url: SecretString = url.expose_secret().replace("amqp://", "amqps://").into();
        let error = connect(&url, "test", &config(Duration::from_secs(10))).await.unwrap_err();
        assert!(matches!(error, ConnectError::Foreign { .. }), "{error:?}");
        plain.await.unwrap();
        until_no_thread_is_left().await;
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
