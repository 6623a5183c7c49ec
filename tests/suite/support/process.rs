//! A process that is listened to while it works, and told to stop by signals. Apart from a program of which only the end is of
//! interest.

use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use super::logs;
use super::waiting::within_patience;

/// The process at work, killed with this value.
pub(crate) struct Process {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    _heard: logs::Heard,
}

impl Process {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().expect("the program starts");
        let log = BufReader::new(child.stderr.take().expect("its log")).lines();
        Self { child, log, _heard: logs::Heard }
    }

    /// Its number, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends it a signal, such as `TERM`.
    pub(crate) async fn signal(&self, signal: &str) {
        let Some(id) = self.id() else { return };
        Command::new("kill").args([&format!("-{signal}"), &id.to_string()]).status().await.expect("kill");
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it can be looked at")
    }

    /// Reads its log until a line holds these words.
    pub(crate) async fn until_says(&mut self, words: &str) {
        let reading = async {
            while let Some(line) = self.log.next_line().await.expect("its log can be read") {
                logs::search(&line);
                if line.contains(words) {
                    return;
                }
            }
            panic!("the program ended without saying {words:?}");
        };
        within_patience(&format!("the program says {words:?}"), reading).await;
    }

    /// Waits for its end.
    pub(crate) async fn end(mut self) -> ExitStatus {
        let ending = async {
            // Read on, or a full pipe would hold it up.
            while let Ok(Some(line)) = self.log.next_line().await {
                logs::search(&line);
            }
            self.child.wait().await.expect("it can be waited for")
        };
        within_patience("the end of the program", ending).await
    }
}
