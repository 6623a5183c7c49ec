//! What is measured, as a process of its own with everything that it starts, and what the kernel says of it.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::profile::parse::number;

/// How long it may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(30);
/// How much of its log is told where it fails.
const TOLD: usize = 20;

/// A running process, and its group.
pub(crate) struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

/// How a process came to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// From SIGTERM until it was gone.
    pub(crate) after: Duration,
    /// User and system time from its start to its end, in seconds, with that of every child that it waited for: what
    /// `wait4` reports, read from the same book-keeping before it is closed.
    pub(crate) cpu: f64,
}

impl Process {
    /// Starts it. What it prints goes to a file, and is told where it fails.
    pub(crate) fn start(name: &str, command: &mut Command) -> Result<Self> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
        fs::create_dir_all(&folder)?;
        let log = folder.join(format!("{name}.log"));
        let written = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(written.try_clone()?).stderr(written).process_group(0);
        let child = command.spawn();
        let child = child.with_context(|| format!("{name}: {} cannot be started", command.get_program().display()))?;
        Ok(Self { child, name: name.to_owned(), log })
    }

    /// What it has said up to now.
    pub(crate) fn said(&self) -> Result<String> {
        fs::read_to_string(&self.log).with_context(|| self.log.display().to_string())
    }

    /// Waits until it says this.
    pub(crate) async fn until_said(&mut self, word: &str) -> Result<()> {
        while !self.said()?.contains(word) {
            self.is_alive()?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Fails if it has ended by itself.
    pub(crate) fn is_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!(self.failure(&format!("ended by itself, {status}"))),
        }
    }

    /// Seconds of user and system time of the whole group up to now.
    pub(crate) fn cpu(&self) -> Result<f64> {
        let mut seconds = 0.0;
        for entry in fs::read_dir("/proc")? {
            // A process may be gone by the time that it is asked.
            let Ok(stat) = Stat::read(&entry?.path()) else { continue };
            if stat.group == self.child.id() {
                seconds += stat.cpu;
            }
        }
        Ok(seconds)
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the kernel shows of it.
    pub(crate) fn folder(&self) -> PathBuf {
        format!("/proc/{}", self.id()).into()
    }

    /// A line of `/proc/…/status` in bytes: `VmRSS` is the memory that is resident, `VmHWM` the most that ever was.
    pub(crate) fn memory(&self, line: &str) -> Result<u64> {
        let status = fs::read_to_string(self.folder().join("status"))?;
        let kilobytes = number(&status, line).with_context(|| format!("its status has no line {line}"))?;
        Ok(kilobytes * 1024)
    }

    /// Ends it in order.
    pub(crate) async fn stop(mut self) -> Result<Ended> {
        self.signal("-TERM", &self.child.id().to_string())?;
        let signalled = Instant::now();
        while signalled.elapsed() < GRACE {
            let stat = Stat::read(&self.folder())?;
            if stat.is_over {
                let after = signalled.elapsed();
                let status = self.child.wait()?;
                ensure!(status.success(), self.failure(&format!("did not end in order, {status}")));
                return Ok(Ended { after, cpu: stat.cpu });
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bail!(self.failure(&format!("did not end within {GRACE:?} after SIGTERM")))
    }

    fn signal(&self, signal: &str, whom: &str) -> Result<()> {
        let sent = Command::new("kill").args([signal, "--", whom]).stderr(Stdio::null()).status();
        sent.with_context(|| format!("{} cannot be signalled", self.name))?;
        Ok(())
    }

    fn failure(&self, what: &str) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(TOLD)..].join("\n    ");
        format!("{} {what}; its log, {}, ends with\n    {last}", self.name, self.log.display())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The whole group: it may have started others.
        self.signal("-KILL", &format!("-{}", self.child.id())).ok();
        self.child.wait().ok();
    }
}

/// What the kernel knows of a process, or of a thread.
pub(crate) struct Stat {
    /// The name of its program.
    pub(crate) name: String,
    group: u32,
    /// It has ended, and nobody has asked yet how.
    is_over: bool,
    /// User time in seconds, its own.
    pub(crate) user: f64,
    /// System time in seconds, its own.
    pub(crate) system: f64,
    /// Both, with those of children that it waited for.
    pub(crate) cpu: f64,
}

impl Stat {
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let stat = fs::read_to_string(folder.join("stat"))?;
        // After the name in parentheses, which may hold anything: state, ppid, pgrp, …
        let name = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map(|(name, _)| name.to_owned());
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let [state, _, group, ..] = fields[..] else { bail!("{} is not to be read", folder.display()) };
        // utime, stime, cutime, cstime: Linux counts these in hundredths of a second for every program.
        let ticks = fields.get(11..15).context("too few fields")?.iter().map(|field| field.parse::<u32>());
        let ticks = ticks.collect::<Result<Vec<u32>, _>>()?;
        let seconds = |ticks: u32| f64::from(ticks) / 100.0;
        Ok(Self {
            name: name.unwrap_or_default(),
            group: group.parse()?,
            is_over: state == "Z",
            user: seconds(ticks[0]),
            system: seconds(ticks[1]),
            cpu: seconds(ticks.iter().sum()),
        })
    }
}
