//! The blocks of commands of `docs/operations.md`, read out of it and run as somebody does who copies them into a shell. Apart,
//! because the tests that have the services to themselves run some as well.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use secrecy::ExposeSecret as _;
use tokio::process::Command;
use uuid::Uuid;

use crate::support::{Installation, PATIENCE, Process, Said, eventually};

pub(crate) const PAGE: &str = include_str!("../../../docs/operations.md");

/// Every section of the page, by its heading.
pub(crate) fn sections() -> Vec<(&'static str, &'static str)> {
    let chapters = PAGE.split("\n## ").skip(1);
    chapters.flat_map(|chapter| chapter.split("\n### ")).filter_map(|section| section.split_once('\n')).collect()
}

/// The headings of the runbook: symptoms, and what is done on purpose.
pub(crate) fn symptoms() -> Vec<&'static str> {
    let runbook = PAGE.split("\n## ").find(|chapter| chapter.starts_with("Runbook\n")).expect("there is a runbook");
    runbook.split("\n### ").skip(1).filter_map(|section| section.lines().next()).collect()
}

/// The blocks of a section, in their order.
pub(crate) fn blocks(section: &str) -> Vec<String> {
    let sections = sections();
    let (_, text) = sections.iter().find(|(heading, _)| *heading == section).expect("the page has the section");
    let fenced = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    fenced.map(str::to_owned).collect()
}

/// The blocks of a section, one after the other.
pub(crate) struct Steps<'a> {
    installation: &'a Installation,
    blocks: Vec<String>,
    next: usize,
    variables: Vec<(&'static str, String)>,
    folder: PathBuf,
}

impl<'a> Steps<'a> {
    pub(crate) fn of(section: &str, installation: &'a Installation) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(Uuid::new_v4().to_string());
        std::fs::create_dir_all(&folder).unwrap();
        let database = installation.config.database.url.expose_secret().to_owned();
        Self { installation, blocks: blocks(section), next: 0, variables: vec![("DATABASE", database)], folder }
    }

    /// With this in place of a variable.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    /// With where RabbitMQ's management API is.
    pub(crate) fn with_broker(self) -> Self {
        let vhost = self.installation.vhost();
        let (broker, name) = (vhost.management_url.trim_end_matches('/').to_owned(), vhost.name.clone());
        self.with("BROKER", broker).with("VHOST", name)
    }

    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.variables.push((name, value.into()));
    }

    /// Passes by the next block: it is for another situation.
    pub(crate) fn pass_by(mut self) -> Self {
        self.take();
        self
    }

    /// Runs the next block.
    pub(crate) async fn next(&mut self) -> Said {
        let block = self.take();
        self.run(&block).await
    }

    /// Runs the last one once more.
    pub(crate) async fn again(&self) -> Said {
        self.run(&self.blocks[self.next - 1]).await
    }

    /// Runs the next block until it says this: what it looks at takes its time.
    pub(crate) async fn next_until(&mut self, word: &str) {
        self.take();
        self.again_until(word).await;
    }

    /// The same with the last one.
    pub(crate) async fn again_until(&self, word: &str) {
        eventually(word, PATIENCE, async || {
            let said = self.again().await;
            if said.stdout.contains(word) { Ok(()) } else { Err(said) }
        })
        .await;
    }

    /// Starts the next block, which goes on until it is told to stop.
    pub(crate) fn start_next(&mut self) -> Process {
        let block = self.take();
        self.start(&block)
    }

    /// Runs a block to its end.
    pub(crate) async fn run(&self, block: &str) -> Said {
        let ended = tokio::time::timeout(PATIENCE, self.shell(block).output()).await.expect("a block ends").unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: ended.status.code(), stdout: text(ended.stdout), stderr: text(ended.stderr) }
    }

    /// Starts a block. Its last command takes the place of the shell, so that signals reach it.
    pub(crate) fn start(&self, block: &str) -> Process {
        let block = block.trim_end();
        let (before, last) = block.rsplit_once('\n').unwrap_or(("", block));
        Process::start(self.shell(&format!("{before}\nexec {last}")).stdout(Stdio::null()))
    }

    /// Where blocks find their files, and leave them.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// No block is left.
    pub(crate) fn done(self) {
        assert_eq!(self.next, self.blocks.len(), "a block was not tried");
    }

    fn take(&mut self) -> String {
        let block = self.blocks.get(self.next).expect("the section has another block").clone();
        self.next += 1;
        block
    }

    fn shell(&self, script: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_join-community")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-euc", script]).current_dir(&self.folder).env_clear().stdin(Stdio::null()).kill_on_drop(true);
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
            ("HTTP__LISTEN", ""),
            (
                "AUTH__PRODUCERS",
                r#"[{ user = "member-gateway", identity_types = ["MEMBER"], sites = ["*"], may_elevate = false }]"#,
            ),
        ] {
            shell.env(format!("JOIN_COMMUNITY__{name}"), value);
        }
        shell.envs(self.variables.iter().map(|(name, value)| (name, value)));
        shell
    }
}

impl Drop for Steps<'_> {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}
