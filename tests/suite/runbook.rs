//! The runbook tried: each test makes the situation of a symptom, runs the commands that `docs/operations.md` gives for it as
//! they stand there, and looks whether that is over.

mod emptied;
mod moved;
mod waiting;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use join_community::app::Stopped;
use join_community::domain::Control;
use join_community::operations::Dependency;
use join_community::postgres::Terms;
use secrecy::ExposeSecret as _;
use serde_json::json;
use sqlx::Connection as _;
use tokio::process::Command;
use uuid::Uuid;

use crate::support::{Installation, JOINABLE, MemberSpec, Message, PATIENCE, Worker, eventually};

const PAGE: &str = include_str!("../../docs/operations.md");
/// Every section of the runbook that has commands; each has its test.
const TRIED: [&str; 11] = [
    "A dependency is out",
    "The backlog grows",
    "Nothing is settled",
    "Dead letters appear",
    "The cache is behind",
    "Events are missing",
    "The broker was replaced",
    "What an old broker holds is moved",
    "The database is moved",
    "A new version",
    "A backup is restored",
];
const QUEUE: &str = "search.members";

/// What a block said, and its exit code.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    stdout: String,
    #[expect(dead_code, reason = "shown where a step failed")]
    stderr: String,
}

impl Said {
    /// It went well and said this.
    #[track_caller]
    fn tells(&self, words: &[&str]) {
        assert_eq!(self.code, Some(0), "{self:#?}");
        for word in words {
            assert!(self.stdout.contains(word), "{word} is not in {self:#?}");
        }
    }
}

/// The blocks of commands of a section of the runbook, one after the other.
struct Steps<'a> {
    installation: &'a Installation,
    blocks: std::vec::IntoIter<String>,
    variables: Vec<(&'static str, String)>,
    folder: PathBuf,
}

impl<'a> Steps<'a> {
    fn of(section: &str, installation: &'a Installation) -> Self {
        assert!(TRIED.contains(&section), "{section} is not listed as tried");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(Uuid::new_v4().to_string());
        std::fs::create_dir_all(&folder).unwrap();
        let database = installation.config.database.url.expose_secret().to_owned();
        Self { installation, blocks: blocks(section).into_iter(), variables: vec![("DATABASE", database)], folder }
    }

    /// With this in place of a variable.
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.variables.push((name, value.into()));
    }

    /// Runs the next block, as somebody does who copies it into a shell.
    async fn next(&mut self) -> Said {
        let block = self.blocks.next().expect("the section has another block");
        self.run(&block).await
    }

    /// Runs the next block until it says this: what it looks at takes its time.
    async fn next_until(&mut self, word: &str) {
        let block = self.blocks.next().expect("the section has another block");
        eventually(word, PATIENCE, async || {
            let said = self.run(&block).await;
            if said.stdout.contains(word) { Ok(()) } else { Err(said) }
        })
        .await;
    }

    async fn run(&self, block: &str) -> Said {
        let program = Path::new(env!("CARGO_BIN_EXE_join-community")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-euc", block]).current_dir(&self.folder).env_clear().stdin(Stdio::null()).kill_on_drop(true);
        shell.env("PATH", path).env("HOME", &self.folder).env("LC_ALL", "C.UTF-8").env("USER", "ana");
        let config = &self.installation.config;
        for (name, value) in [
            ("BROKER__URL", config.broker.url.expose_secret()),
            ("BROKER__OPERATOR_URL", config.broker.operator_url.expose_secret()),
            ("BROKER__TIMEOUT", "20s"),
            ("DATABASE__URL", config.database.url.expose_secret()),
            ("CACHE__URL", config.cache.url.expose_secret()),
            ("CACHE__PREFIX", config.cache.prefix.as_str()),
            ("CACHE__TIMEOUT", "20s"),
            (
                "AUTH__PRODUCERS",
                r#"[{ user = "member-gateway", identity_types = ["MEMBER"], sites = ["*"], may_elevate = false }]"#,
            ),
        ] {
            shell.env(format!("JOIN_COMMUNITY__{name}"), value);
        }
        shell.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let ended = tokio::time::timeout(PATIENCE, shell.output()).await.expect("a block ends").unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: ended.status.code(), stdout: text(ended.stdout), stderr: text(ended.stderr) }
    }

    /// Every block was run.
    fn done(mut self) {
        assert_eq!(self.blocks.next(), None, "a block was not tried");
    }
}

impl Drop for Steps<'_> {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// The sections of the runbook, by their headings.
fn sections() -> Vec<(&'static str, &'static str)> {
    let runbook = PAGE.split("\n## ").find(|part| part.starts_with("Runbook\n")).expect("there is a runbook");
    runbook.split("\n### ").skip(1).filter_map(|section| section.split_once('\n')).collect()
}

fn blocks(section: &str) -> Vec<String> {
    let sections = sections();
    let (_, text) = sections.iter().find(|(heading, _)| *heading == section).expect("the runbook has the section");
    let fenced = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    fenced.map(str::to_owned).collect()
}

#[test]
fn every_section_with_commands_is_tried() {
    let with_commands: BTreeSet<&str> =
        sections().into_iter().filter(|(_, text)| text.contains("```")).map(|(heading, _)| heading).collect();
    assert_eq!(with_commands, BTreeSet::from(TRIED));
}

fn place(worker: &Worker) -> String {
    format!("http://{}", worker.operations().expect("the operations server listens"))
}

#[tokio::test]
async fn the_backlog_grows() {
    let installation = Installation::with(|config| "127.0.0.1:0".clone_into(&mut config.http.listen)).await;
    let (producer, worker) = (installation.producer().await, installation.start().await);
    installation.set(Control::PauseIntake, Terms::default()).await;
    installation.until_nobody_consumes().await;
    let crowd = installation.crowd_at_the_door(&producer, 5).await;
    let mut steps = Steps::of("The backlog grows", &installation).with("WORKER", place(&worker));
    steps.next_until("set by hand   pause intake").await;
    steps.done();
    let resumed = installation.run(&["controls", "resume", "intake", "--why", "it was forgotten"]).await;
    assert_eq!(resumed.code, Some(0), "{resumed:?}");
    installation.all_joined_once(&crowd).await;
    worker.stop().await;
}

#[tokio::test]
async fn nothing_is_settled() {
    let installation = Installation::new().await;
    let (producer, worker) = (installation.producer().await, installation.start().await);
    let mut forgotten = installation.stranger().await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut forgotten).await.unwrap();
    let mut open = forgotten.begin().await.unwrap();
    sqlx::query("LOCK TABLE join_requests").execute(&mut *open).await.unwrap();
    let crowd = installation.crowd_at_the_door(&producer, 5).await;
    let mut steps = Steps::of("Nothing is settled", &installation).with("PID", pid.to_string());
    steps.next_until(&pid.to_string()).await;
    steps.next().await.tells(&["pg_terminate_backend", "t\n"]);
    steps.done();
    installation.all_joined_once(&crowd).await;
    worker.stop().await;
}

#[tokio::test]
async fn dead_letters_appear() {
    let installation = Installation::with(|config| {
        (config.join.busy_retries, config.database.lock_timeout) = (0, Duration::from_millis(100));
    })
    .await;
    let (producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    let mut holder = installation.stranger().await;
    let mut held = holder.begin().await.unwrap();
    sqlx::query("SELECT FROM members WHERE id = $1 FOR UPDATE").bind(member).execute(&mut *held).await.unwrap();
    let worker = installation.start().await;
    producer.send_all(&[Message::join(site, member), Message::bytes("no request")]).await;
    installation.dead_letters(2).await;
    held.rollback().await.unwrap();
    let mut steps = Steps::of("Dead letters appear", &installation);
    steps.next_until("2 dead letters: 1 busy, 1 malformed").await;
    steps.next().await.tells(&["1 dead letter replayed (1 joined)", "1 dead letter discarded"]);
    steps.done();
    assert!(installation.dead_letters(0).await.is_empty());
    assert_eq!(installation.record(site, member).await.unwrap().privacy, "PUBLIC");
    worker.stop().await;
}

#[tokio::test]
async fn the_cache_is_behind() {
    let installation = Installation::new().await;
    let site = Uuid::new_v4();
    let [behind, leaked] =
        ["PUBLIC", "PRIVATE"].map(|privacy| installation.member(site, MemberSpec { privacy, ..JOINABLE }));
    let (behind, leaked) = (behind.await, leaked.await);
    installation.cache_holds(site, behind, JOINABLE.sequence - 1, &json!({ "id": behind })).await;
    installation.cache_holds(site, leaked, JOINABLE.sequence, &json!({ "id": leaked })).await;
    let mut steps = Steps::of("The cache is behind", &installation).with("SITE", site.to_string());
    let said = steps.next().await;
    assert!(
        said.code == Some(1) && said.stdout.contains("2 members compared with their entries: 1 behind"),
        "{said:#?}"
    );
    steps.next().await.tells(&["2 are set right.", "1 are shown"]);
    steps.done();
    let shown = installation.cached_at(site, behind, JOINABLE.sequence).await.unwrap();
    assert_eq!(shown["privacyStatus"], "PUBLIC");
    assert_eq!(installation.cached(site, leaked).await, Some((JOINABLE.sequence, None)));
}

#[tokio::test]
async fn events_are_missing() {
    let installation = Installation::new().await;
    let (mut producer, worker) = (installation.producer().await, installation.start().await);
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let request = Message::join(site, member);
    assert_eq!(producer.ask(&request).await.status, 200);
    installation.outbox_is_empty().await;
    // Bound only now.
    installation.foreign_queue(QUEUE).await;
    let steps = Steps::of("Events are missing", &installation).with("SITE", site.to_string()).with("QUEUE", QUEUE);
    let mut steps = steps.with("REQUEST", request.request_id());
    steps.next().await.tells(&[request.request_id()]);
    steps.next().await.tells(&[]);
    steps.done();
    let events = installation.messages(QUEUE, 1).await;
    assert_eq!(events[0].json()["entityId"], member.to_string());
    worker.stop().await;
}

#[tokio::test]
async fn a_new_version() {
    let installation = Installation::with(|config| "127.0.0.1:0".clone_into(&mut config.http.listen)).await;
    installation.back_to(5).await;
    let producer = installation.producer().await;
    // Started too early, it waits.
    let worker = Worker::launch(installation.alert()).await;
    worker.until_misses(Dependency::Database).await;
    let crowd = installation.crowd_at_the_door(&producer, 10).await;
    let mut steps = Steps::of("A new version", &installation).with("WORKER", place(&worker));
    steps.next().await.tells(&["Everything is declared.", "Applied migration 6"]);
    installation.all_joined_once(&crowd).await;
    steps.next().await.tells(&["The worker stops."]);
    steps.done();
    assert_eq!(worker.until_ended().await, Stopped::Drained);
}
