//! The worker of the demo: a process of its own, as in production.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(40);

/// A worker process.
pub(super) struct Worker {
    child: Child,
    log: PathBuf,
}

impl Worker {
    /// Starts it, and waits until it takes requests.
    pub(super) async fn start(config_file: Option<&Path>) -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr())?.port();
        let log = std::env::temp_dir().join(format!("join-community-demo-{}.log", std::process::id()));
        let stderr = std::fs::File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
        let mut command = Command::new(std::env::current_exe()?);
        if let Some(file) = config_file {
            command.arg("--config").arg(file);
        }
        let child = command
            .args(["run", "--migrate"])
            .env("JOIN_COMMUNITY__HTTP__LISTEN", format!("127.0.0.1:{port}"))
            // One rung of one second instead of three of 36 seconds together: nobody wants to watch those.
            .env("JOIN_COMMUNITY__JOIN__UNKNOWN_MEMBER_RETRIES", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .context("the worker cannot be started")?;
        let mut worker = Self { child, log };
        worker.until_ready(port).await?;
        Ok(worker)
    }

    /// Where its log lies.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    async fn until_ready(&mut self, port: u16) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
        let url = format!("http://127.0.0.1:{port}/readyz");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the worker ended with {status}; its log: {}", self.log.display());
            }
            let answer = client.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("the worker is not ready after {PATIENCE:?}; its log: {}", self.log.display());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Tells it to stop, as a service manager does, and waits until it has drained. Its log goes if all went well.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let id = self.child.id().context("the worker ended before it was told to")?;
        let told = Command::new("kill").arg("-TERM").arg(id.to_string()).status().await?;
        let ended = timeout(PATIENCE, self.child.wait()).await.context("the worker does not stop")??;
        if !told.success() || !ended.success() {
            bail!("the worker ended with {ended}; its log: {}", self.log.display());
        }
        std::fs::remove_file(&self.log).ok();
        Ok(())
    }
}
