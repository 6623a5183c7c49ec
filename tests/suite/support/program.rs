//! The program as an operator runs it against an installation: to its end, or until it is told to stop.

use std::process::{Output, Stdio};

use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::process::{Child, Command};

use super::Installation;
use super::logs;
use super::waiting::within_patience;

/// What the program said, and with which code it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// Its result.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Proves that it went well and said all of this.
    #[track_caller]
    pub(crate) fn tells(&self, words: &[&str]) {
        assert_eq!(self.code, Some(0), "{self:#?}");
        for word in words {
            assert!(self.stdout.contains(word), "{word} is not in {self:#?}");
        }
    }
}

/// Whoever runs this, as the system tells it: by name, or by number where there is none.
pub(crate) fn this_user() -> String {
    let id = |option: &str| std::process::Command::new("id").arg(option).output().expect("id");
    let named = id("-un");
    let told = if named.status.success() { named } else { id("-u") };
    String::from_utf8(told.stdout).unwrap().trim().to_owned()
}

/// The program at work, killed with this value.
pub(crate) struct Running(Child);

impl Running {
    /// Tells it to stop, as Ctrl-C does.
    pub(crate) async fn interrupt(&self) {
        let id = self.0.id().expect("it runs");
        Command::new("kill").args(["-INT", &id.to_string()]).status().await.expect("kill");
    }

    /// Ends it as `kill -9` does.
    pub(crate) async fn kill(mut self) {
        self.0.start_kill().expect("kill");
        self.end().await;
    }

    /// Waits for its end.
    pub(crate) async fn end(self) -> Said {
        let said = self.end_unmasked().await;
        // Whatever a tool says of members is ids alone, unless it was said why it has to be more.
        [&said.stdout, &said.stderr].into_iter().flat_map(|text| text.lines()).for_each(logs::search);
        said
    }

    /// The same of a program that was told to show personal data.
    pub(crate) async fn end_unmasked(self) -> Said {
        let Output { status, stdout, stderr } =
            within_patience("the end of the program", self.0.wait_with_output()).await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }
}

impl Installation {
    /// Starts the program with these arguments.
    pub(crate) fn program(&self, arguments: &[&str]) -> Running {
        self.program_with(arguments, &[])
    }

    /// The same with more in its environment.
    pub(crate) fn program_with(&self, arguments: &[&str], more: &[(&str, &str)]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_join-community"));
        command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let config = &self.config;
        for (name, value) in [
            ("BROKER__URL", config.broker.url.expose_secret()),
            ("BROKER__TIMEOUT", "20s"),
            ("DATABASE__URL", config.database.url.expose_secret()),
            ("CACHE__URL", config.cache.url.expose_secret()),
            ("CACHE__PREFIX", &config.cache.prefix),
            ("CACHE__TIMEOUT", "20s"),
        ] {
            command.env(format!("JOIN_COMMUNITY__{name}"), value);
        }
        command.envs(more.iter().copied());
        Running(command.kill_on_drop(true).spawn().expect("the program starts"))
    }

    /// What the program says as JSON.
    pub(crate) async fn says(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--output", "json"]].concat()).await.json()
    }

    /// Runs the program to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Said {
        self.program(arguments).end().await
    }
}
