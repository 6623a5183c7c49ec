//! Every log that a worker of the suite writes, searched as it is written: nothing of what a member or a token says may
//! stand in it, however much is logged and whatever goes wrong.

use std::io::{self, Write};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;

use join_community::config::Config;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::sync::mpsc;
use tracing_subscriber::EnvFilter;

/// Of the sample members (e-mail, names, telephone), of every token, of the services' passwords, of keys, and of a login at an
/// issuer: its code, the client's secret, its access token.
const SECRETS: [&str; 11] = [
    "jane",
    "joan",
    "555 0142",
    "eyJ",
    "Bearer ",
    "join-worker:join-worker",
    "join_community:join_community",
    "PRIVATE KEY",
    "gr4nt-",
    "client-s3cret",
    "acc3ss-token",
];

static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Who wants to read the lines that hold which words.
static READERS: Mutex<Vec<(String, mpsc::UnboundedSender<String>)>> = Mutex::new(Vec::new());

/// A log that is listened to. The test fails that lets go of one after anything was told.
#[derive(Debug)]
pub(crate) struct Heard;

/// Listens to the logs of all workers in this process, at the level at which they say most.
pub(crate) fn listen(config: &Config) -> Heard {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Of the libraries as much as is logged by default: what they say below that is theirs to answer for.
        let filter = EnvFilter::builder().parse(format!("{},join_community=trace", config.log.filter)).unwrap();
        let logging =
            tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).with_writer(|| Sieve);
        logging.try_init().expect("nobody else logs in this process");
    });
    Heard
}

/// Listens to the log of a program until its end.
pub(crate) fn listen_to(log: impl AsyncRead + Unpin + Send + 'static) -> Heard {
    let mut lines = BufReader::new(log).lines();
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            search(&line);
        }
    });
    Heard
}

/// The lines that workers in this process log from now on and that hold these words, as JSON.
pub(crate) fn lines_with(words: impl Into<String>) -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    READERS.lock().unwrap_or_else(PoisonError::into_inner).push((words.into(), sender));
    receiver
}

/// Looks for secrets in a line of a log.
pub(crate) fn search(line: &str) {
    if let Some(secret) = secret(line) {
        // Where it was told is enough to find it.
        let begin: String = line.replace(secret, "…").chars().take(300).collect();
        TOLD.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{secret:?} in {begin}"));
    }
}

fn secret(line: &str) -> Option<&'static str> {
    let small = line.to_lowercase();
    SECRETS.into_iter().find(|secret| line.contains(secret) || small.contains(secret))
}

impl Drop for Heard {
    fn drop(&mut self) {
        if !thread::panicking() {
            let told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
            assert!(told.is_empty(), "a worker of this run logged secrets: {told:#?}");
        }
    }
}

/// Each event is written by one call.
struct Sieve;

impl Write for Sieve {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        search(&line);
        let mut readers = READERS.lock().unwrap_or_else(PoisonError::into_inner);
        readers.retain(|(words, reader)| !line.contains(words) || reader.send(line.clone().into_owned()).is_ok());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_a_member_or_a_token_says_is_found() {
    for line in
        ["login_email=Jane@Example.com", "profile Joan", "+1 202 555 0142", "eyJhbGciOi", "authorization: bearer x"]
    {
        assert!(secret(&line.replace("bearer", "Bearer")).is_some(), "{line}");
    }
    assert_eq!(secret(r#"{"request.id":"0199","site.id":"6b0e7f1a","verdict":"joined","message":"settled"}"#), None);
}
