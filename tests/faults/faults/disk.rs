//! A disk of PostgreSQL that is full for a while: a small one of this trial's own, with all of its tables on it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::FutureExt as _;
#[expect(clippy::disallowed_types, reason = "the name of a tablespace cannot be bound, and this one is ours")]
use sqlx::AssertSqlSafe;
use sqlx::Executor as _;
use tokio::process::Command;

use crate::stage::Stage;
use crate::suite::support::variable;
use crate::superuser::superuser;
use crate::trial::{Fault, Outcome, Trial};

/// How long it is full: longer than deliveries are held.
const WHILE: Duration = Duration::from_secs(4);
/// Room for the tables of a trial.
const SIZE: &str = "size=64m,mode=0777";

pub(super) fn faults() -> Vec<Fault> {
    vec![Fault {
        name: "postgres/disk-full",
        what: "no room for another page of any table for a while",
        quick: true,
        alone: false,
        workers: &[1, 3],
        run: |trial| disk_full(trial).boxed(),
    }]
}

async fn disk_full(trial: Trial) -> Result<Outcome> {
    let Some(disk) = Disk::mount().await? else {
        let note = "not made: only root can mount a small disk".to_owned();
        return Ok(Outcome { note, ..Outcome::default() });
    };
    let outcome = on(&disk, &trial).await;
    // A broken promise keeps its installation, and that its disk.
    if !outcome.as_ref().is_ok_and(|outcome| !outcome.findings.is_empty()) {
        disk.unmount().await?;
    }
    outcome
}

async fn on(disk: &Disk, trial: &Trial) -> Result<Outcome> {
    let mut stage = Stage::set(trial).await?;
    disk.take_all_of(&stage).await?;
    stage.fleet.start(trial.workers).await?;
    let mut sender = stage.load(if trial.quick { 300 } else { 1500 }, Duration::from_millis(50)).await?;
    sender.until(10).await?;
    let filler = disk.fill()?;
    tokio::time::sleep(WHILE).await;
    let recorded = recorded(&stage).await?;
    fs::remove_file(filler)?;
    stage.healed();
    let outcome = stage.conclude(sender).await?;
    ensure!(recorded < outcome.counts.verdicts, "the disk was never full: all was recorded meanwhile");
    Ok(outcome)
}

/// A small file system in memory, known to PostgreSQL as a tablespace. It lies where PostgreSQL runs, which may be another
/// root and other mounts than ours.
struct Disk {
    /// As PostgreSQL sees it.
    folder: PathBuf,
    name: String,
    /// PostgreSQL's process.
    server: String,
}

impl Disk {
    /// Mounts one, or answers nothing where that is not permitted.
    async fn mount() -> Result<Option<Self>> {
        let name = format!("jc_test_disk_{}_{}", std::process::id(), uuid::Uuid::new_v4().simple());
        let mut database = superuser(&variable("JOIN_COMMUNITY__DATABASE__URL")).await?;
        let server: String = sqlx::query_scalar("SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)")
            .fetch_one(&mut database)
            .await?;
        let disk = Self { folder: Path::new("/tmp").join(&name), name, server };
        // Who may not look into another's root may not mount either.
        if fs::create_dir(disk.seen(&disk.folder)).is_err() {
            return Ok(None);
        }
        let mounted = disk.there("mount").args(["-t", "tmpfs", "-o", SIZE, "none"]).arg(&disk.folder).output().await;
        if !mounted.is_ok_and(|mounted| mounted.status.success()) {
            fs::remove_dir(disk.seen(&disk.folder))?;
            return Ok(None);
        }
        Ok(Some(disk))
    }

    fn tables(&self) -> PathBuf {
        self.folder.join("tables")
    }

    /// A path of PostgreSQL's, as we see it.
    fn seen(&self, path: &Path) -> PathBuf {
        let root = Path::new("/proc").join(&self.server).join("root");
        root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// A program that is run where PostgreSQL runs.
    fn there(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--root", "--target", &self.server, program]);
        command
    }

    /// Puts everything of an installation's database here.
    async fn take_all_of(&self, stage: &Stage) -> Result<()> {
        let database = stage.place().database;
        let mut there = superuser(&database).await?;
        // PostgreSQL wants the folder for itself.
        let owner: String = sqlx::query_scalar("SHOW data_directory").fetch_one(&mut there).await?;
        let tables = self.seen(&self.tables());
        fs::create_dir(&tables)?;
        let chown = Command::new("chown").arg("--reference").arg(self.seen(Path::new(&owner))).arg(tables).status();
        let chown = chown.await?;
        ensure!(chown.success(), "chown: {chown}");
        let (name, folder) = (&self.name, self.tables());
        for statement in [
            format!("CREATE TABLESPACE {name} LOCATION '{}'", folder.display()),
            format!("ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE {name}"),
            format!("ALTER INDEX ALL IN TABLESPACE pg_default SET TABLESPACE {name}"),
        ] {
            there.execute(AssertSqlSafe(statement.clone())).await.context(statement)?;
        }
        Ok(())
    }

    /// Fills it to the last page; answers what is to be removed.
    fn fill(&self) -> Result<PathBuf> {
        let filler = self.seen(&self.folder).join("filler");
        let mut file = File::create(&filler)?;
        let piece = [0; 4096];
        while file.write_all(&piece).is_ok() {}
        Ok(filler)
    }

    /// After its database is gone.
    async fn unmount(self) -> Result<()> {
        let url = variable("JOIN_COMMUNITY__DATABASE__URL");
        let drop = format!("DROP TABLESPACE IF EXISTS {}", self.name);
        superuser(&url).await?.execute(AssertSqlSafe(drop)).await?;
        let unmounted = self.there("umount").arg(&self.folder).status().await?;
        ensure!(unmounted.success(), "umount {}: {unmounted}", self.folder.display());
        Ok(fs::remove_dir(self.seen(&self.folder))?)
    }
}

async fn recorded(stage: &Stage) -> Result<u64> {
    let mut other = stage.installation.stranger().await;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM join_requests").fetch_one(&mut other).await?;
    Ok(u64::try_from(count)?)
}
