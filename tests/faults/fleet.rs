//! The workers of a trial: processes of the real binary, to be killed and stopped like any.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

/// How long a worker may take to be ready, or to die.
/// The first of the ports that workers listen at, and how many: below those of `net.ipv4.ip_local_port_range`.
const FIRST: u16 = 20_000;
const OURS: u16 = 12_000;
const PATIENCE: Duration = Duration::from_mins(1);

/// Workers.
pub(crate) struct Fleet {
    program: PathBuf,
    environment: Vec<(String, String)>,
    folder: PathBuf,
    workers: Vec<Worker>,
    started: usize,
}

struct Worker {
    process: Child,
    operations: String,
}

impl Fleet {
    /// No worker yet. Logs go into the folder.
    pub(crate) fn new(program: PathBuf, environment: Vec<(String, String)>, folder: PathBuf) -> Self {
        Self { program, environment, folder, workers: Vec::new(), started: 0 }
    }

    /// How many run, or are dead and not replaced.
    pub(crate) fn len(&self) -> usize {
        self.workers.len()
    }

    /// Changes what workers are started with from now on.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.into()));
    }

    /// What workers are started with.
    pub(crate) fn setting(&self, name: &str) -> Result<String> {
        let found = self.environment.iter().find(|(known, _)| known == name);
        Ok(found.with_context(|| format!("{name} is not set"))?.1.clone())
    }

    /// Changes which program workers are started of from now on.
    pub(crate) fn become_of(&mut self, program: PathBuf) {
        self.program = program;
    }

    /// Runs another command of the program to its end, with what workers are started with.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Result<()> {
        let ended = self.program().args(arguments).stdout(Stdio::null()).status().await;
        let status = ended.with_context(|| format!("{} cannot be started", self.program.display()))?;
        ensure!(status.success(), "{} {}: {status}", self.program.display(), arguments.join(" "));
        Ok(())
    }

    /// Takes away what workers are started with.
    pub(crate) fn unset(&mut self, name: &str) {
        self.environment.retain(|(known, _)| known != name);
    }

    /// Starts one more worker, and does not wait for it.
    pub(crate) fn launch(&mut self) -> Result<()> {
        let worker = self.spawn()?;
        self.workers.push(worker);
        Ok(())
    }

    /// Starts workers and waits until they take requests.
    pub(crate) async fn start(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            self.launch()?;
        }
        self.until_ready().await
    }

    /// Waits until all workers take requests.
    pub(crate) async fn until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        for place in 0..self.workers.len() {
            while !self.is_ready(place).await {
                if let Some(status) = self.workers[place].process.try_wait()? {
                    bail!("worker {place} ended before it was ready: {status}; see {}", self.folder.display());
                }
                if Instant::now() > deadline {
                    bail!("worker {place} is not ready within {PATIENCE:?}; see {}", self.folder.display());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }

    /// Whether a worker says that it takes requests.
    pub(crate) async fn is_ready(&self, place: usize) -> bool {
        let answer = self.ask(place, "readyz").await;
        answer.is_ok_and(|(status, _)| status == 200)
    }

    /// Asks a worker's operations server; answers status and body.
    pub(crate) async fn ask(&self, place: usize, path: &str) -> Result<(u16, String)> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
        let answer = client.get(format!("http://{}/{path}", self.workers[place].operations)).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// `kill -9`, and a new worker in its place.
    pub(crate) async fn kill_and_replace(&mut self, place: usize) -> Result<()> {
        self.workers[place].process.kill().await?;
        self.replace(place)
    }

    /// SIGTERM, an end in order, and a new worker in its place.
    pub(crate) async fn stop_and_replace(&mut self, place: usize) -> Result<()> {
        signal(&self.workers[place], "TERM").await?;
        self.until_drained(place).await?;
        self.replace(place)
    }

    /// Puts a new worker in the place of one that is dead.
    pub(crate) fn replace(&mut self, place: usize) -> Result<()> {
        self.workers[place] = self.spawn()?;
        Ok(())
    }

    /// Waits until a worker dies.
    pub(crate) async fn until_dead(&mut self, place: usize) -> Result<ExitStatus> {
        let died = timeout(PATIENCE, self.workers[place].process.wait()).await;
        Ok(died.with_context(|| format!("worker {place} lives on after {PATIENCE:?}"))??)
    }

    /// Whether a worker is dead.
    pub(crate) fn is_dead(&mut self, place: usize) -> Result<bool> {
        Ok(self.workers[place].process.try_wait()?.is_some())
    }

    /// Waits until a worker stands still.
    pub(crate) async fn until_stopped(&mut self, place: usize) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let id = self.workers[place].process.id().with_context(|| format!("worker {place} is dead"))?;
            let state = fs::read_to_string(format!("/proc/{id}/stat"))?;
            // After the name in parentheses, which may hold anything.
            if state.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T')) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "worker {place} does not stop within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends a signal, such as `STOP`, to every worker.
    pub(crate) async fn signal(&self, signal: &str) -> Result<()> {
        for worker in &self.workers {
            self::signal(worker, signal).await?;
        }
        Ok(())
    }

    /// SIGTERM to all; each must have drained.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.signal("TERM").await?;
        for place in 0..self.workers.len() {
            self.until_drained(place).await?;
        }
        self.workers.clear();
        Ok(())
    }

    async fn until_drained(&mut self, place: usize) -> Result<()> {
        let status = self.until_dead(place).await?;
        ensure!(status.success(), "worker {place} did not drain: {status}; see {}", self.folder.display());
        Ok(())
    }

    fn spawn(&mut self) -> Result<Worker> {
        fs::create_dir_all(&self.folder)?;
        self.started += 1;
        let log = File::create(self.folder.join(format!("worker-{}.log", self.started)))?;
        let operations = place_to_listen()?;
        let process = self
            .program()
            .arg("run")
            .env("JOIN_COMMUNITY__HTTP__LISTEN", &operations)
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started", self.program.display()))?;
        Ok(Worker { process, operations })
    }

    /// The program with its settings, and none of this one's.
    fn program(&self) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("JOIN_COMMUNITY_")) {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        command
    }
}

/// A place that nobody listens at. Out of those that the system gives to connections as their own end: one of them could take
/// it before the worker does.
fn place_to_listen() -> Result<String> {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let began = std::process::id() % u32::from(OURS);
    for _ in 0..OURS {
        let tried = u32::from(TRIED.fetch_add(1, Ordering::Relaxed));
        let place = format!("127.0.0.1:{}", u32::from(FIRST) + (began + tried) % u32::from(OURS));
        if TcpListener::bind(&place).is_ok() {
            return Ok(place);
        }
    }
    bail!("no port from {FIRST} on is free")
}

async fn signal(worker: &Worker, signal: &str) -> Result<()> {
    if let Some(id) = worker.process.id() {
        Command::new("kill").arg(format!("-{signal}")).arg(id.to_string()).status().await?;
    }
    Ok(())
}
