//! Connects to the broker within a limit. Separate because `lapin` itself knows no limit, and leaks a thread for every
//! attempt that is given up: so a socket of our own asks first whether anybody answers, and a guard ends what is left.

pub mod sieve;

mod error;
mod guard;
mod handshake;
mod probe;
mod reactor;
mod tls;

use std::time::Duration;

use lapin::Connection;
#[cfg(feature = "worker")]
use secrecy::SecretString;
use tokio::time::{Instant, timeout_at};

pub use self::error::ConnectError;
use self::handshake::Handshake;
use self::probe::probe;
pub use self::tls::TlsFiles;
use super::address::Address;
#[cfg(feature = "worker")]
use crate::config;

/// What RabbitMQ offers by default. Asked for from the start: `lapin` has a buffer of 32 frames each way, which takes memory
/// as it is used, but all of it at once where it has to grow to what is offered.
const FRAME_MAX: u32 = 128 * 1024;
/// Larger ones are not agreed to, whatever is offered: there is room for 32 of them each way, and each must be sifted.
const LARGEST_FRAME: u32 = 1024 * 1024;

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
    let unequipped = |source| ConnectError::Unequipped { broker: Box::new(address.clone()), source };
    let tls = if address.is_tls() { Some(tls::connector(files).await.map_err(unequipped)?) } else { None };
    let answering = probe(address, limits.timeout).await?;
    let shown = format!("{name} {}", env!("CARGO_PKG_VERSION"));
    let handshake = Handshake { address, answering, shown, tls, limits, deadline };
    let (connection, offered) = handshake.made(FRAME_MAX).await?;
    // 0 stands for no limit.
    let wanted = if offered == 0 { LARGEST_FRAME } else { offered.min(LARGEST_FRAME) };
    if wanted <= FRAME_MAX {
        return Ok(connection);
    }
    // Producers may use what the broker offers, and it hands their properties over in one frame, which `lapin` must take. The
    // sieve shortens only those that have outgrown even that.
    let ended = timeout_at(deadline, connection.close(200, "larger frames are offered".into())).await;
    drop(ended);
    Ok(handshake.made(wanted).await?.0)
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
