//! What `load` takes and refuses, through its public face. Separate, because it is about all of `config/` together.

mod refusals;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::{Config, Findings, layers, load, shape};

/// A file that is gone when the test is.
struct Scratch(PathBuf);

impl Scratch {
    fn new(content: impl AsRef<[u8]>) -> Self {
        let path = std::env::temp_dir().join(format!("join-community-config-{}", Uuid::new_v4()));
        fs::write(&path, content).unwrap();
        Self(path)
    }

    fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

fn layered(file: &str, environment: &[(&str, &str)]) -> Result<Config, Findings> {
    let file = Scratch::new(file);
    load(Some(&file.0), environment.iter().copied())
}

/// The findings, one a line.
fn findings(file: &str, environment: &[(&str, &str)]) -> String {
    layered(file, environment).map(|_| ()).expect_err("nothing was found wrong").to_string()
}

#[test]
fn the_defaults_are_sound_and_trust_nobody() {
    let config = layered("", &[]).unwrap();
    assert!(config.auth.jwks.is_empty() && config.auth.producers.is_empty() && !config.webhooks.are_on());
    assert_eq!(config.requests.retention, Duration::from_hours(30 * 24));
    assert_eq!((config.join.lanes, config.join.unknown_member_retries), (8, 3));
}

#[test]
fn webhooks_are_tried_by_default_as_the_members_api_documents_it() {
    let webhooks = layered("", &[]).unwrap().webhooks;
    assert_eq!(webhooks.timeout, Duration::from_millis(1250));
    let minutes = webhooks.ladder.iter().map(|wait| wait.as_secs() / 60);
    // 1 min, 10 min, 1 h, 2 h three times, 4 h three times, 8 h twice, 12 h.
    assert!(minutes.eq([1, 10, 60, 120, 120, 120, 240, 240, 240, 480, 480, 720]), "{:?}", webhooks.ladder);
}

#[test]
fn the_development_configuration_is_sound() {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/config/local.toml"));
    let config = load::<String, String>(Some(&path), []).unwrap_or_else(|findings| panic!("{findings}"));
    assert_eq!(config.auth.producers.len(), 1);
}

#[test]
fn the_defaults_hold_each_key_of_the_structs_and_no_other() {
    let defaults = layers::defaults(&mut Findings::default());
    for key in defaults.keys() {
        let mut fewer = defaults.clone();
        fewer.remove(key);
        assert!(shape::assemble(&fewer).is_err(), "{key} has a second default, in the code");
        let mut more = fewer.clone();
        more.insert(format!("{key}x"), defaults[key].clone());
        more.insert(key.clone(), defaults[key].clone());
        assert!(shape::assemble(&more).is_err(), "{key}x is no key, and was taken");
    }
}

#[test]
fn the_defaults_explain_each_key() {
    let text = include_str!("../../config/default.toml");
    let mut explained = false;
    for line in text.lines() {
        let is_key = line.starts_with(|first: char| first.is_ascii_lowercase());
        assert!(!is_key || explained, "no comment stands above `{line}`");
        explained = line.starts_with('#') || is_key;
    }
}

#[test]
fn a_later_layer_wins_and_its_lists_replace() {
    let file = "[broker]\nreply_queues = [\"a\", \"b\"]\nprefix = \"x.\"\n[join]\nlanes = 2";
    let environment = [
        ("JOIN_COMMUNITY__BROKER__REPLY_QUEUES", r#"["c"]"#),
        ("JOIN_COMMUNITY__BROKER__DECLARE", "false"),
        ("JOIN_COMMUNITY__JOIN__BATCH_MAX", "7"),
        // Stays text, although it looks like a number.
        ("JOIN_COMMUNITY__CACHE__PREFIX", "0123"),
        ("JOIN_COMMUNITY__AUTH__PRODUCERS", r#"[{user="x", identity_types=["APP"], sites=["*"]}]"#),
        ("JOIN_COMMUNITY_OTHER", "not ours"),
    ];
    let config = layered(file, &environment).unwrap();
    assert_eq!(config.broker.reply_queues, ["c"]);
    assert_eq!((config.broker.prefix.as_str(), config.broker.declare), ("x.", false));
    assert_eq!((config.join.lanes, config.join.batch_max), (2, 7));
    assert_eq!(config.cache.prefix, "0123");
    assert_eq!(config.auth.producers[0].user, "x");
    assert!(!config.auth.producers[0].may_elevate);
}

#[test]
fn a_secret_may_stand_in_a_file_of_its_own() {
    let one = Scratch::new("redis://:one@h:1/0\n");
    let two = Scratch::new("amqp://w:two@h/%2f\r\n");
    let file = format!("[cache]\nurl_file = {:?}\n[broker]\nurl = \"amqp://w:old@h\"", one.name());
    let config = layered(&file, &[("JOIN_COMMUNITY__BROKER__URL_FILE", two.name())]).unwrap();
    assert_eq!(config.cache.url.expose_secret(), "redis://:one@h:1/0");
    assert_eq!(config.broker.url.expose_secret(), "amqp://w:two@h/%2f");
    assert!(config.secret_files.contains(&one.0) && config.secret_files.contains(&two.0));
}

#[test]
fn the_key_that_a_url_of_postgresql_names_is_a_secret_file() {
    let of =
        |rest: &str| layered(&format!("[database]\nurl = \"postgres://h/d?sslmode=Verify-Full&{rest}\""), &[]).unwrap();
    assert!(of("sslcert=/c.pem&sslkey=/a%20key.pem").secret_files.contains(&PathBuf::from("/a key.pem")));
    for other in ["sslcert=/c.pem", "sslkey=-----BEGIN PRIVATE KEY-----"] {
        assert_eq!(of(other).secret_files.len(), 1, "{other}");
    }
}

#[test]
fn both_forms_of_a_secret_in_one_layer_are_refused() {
    let both = [("JOIN_COMMUNITY__CACHE__URL_FILE", "/nowhere"), ("JOIN_COMMUNITY__CACHE__URL", "redis://h")];
    let found = findings("", &both);
    assert!(found.contains("cache.url is given as well"), "{found}");
    let found = findings("", &both[..1]);
    assert!(found.contains("/nowhere") && found.contains("cannot be read"), "{found}");
}

#[test]
fn all_findings_come_at_once_and_name_their_origin() {
    let environment = [
        ("JOIN_COMMUNITY__BROKER__URI", "x"),
        ("JOIN_COMMUNITY__broker__url", "x"),
        ("JOIN_COMMUNITY__BROKER__DECLARE", "yes"),
        ("JOIN_COMMUNITY__JOIN__LANES", "many"),
        ("JOIN_COMMUNITY__BROKER__REPLY_QUEUES", "a, b"),
        ("JOIN_COMMUNITY__CACHE__TTL", "1 s x"),
    ];
    let found = findings("[http]\nlisten = \"x\"\n[outage]\nholt = 1", &environment);
    assert_eq!(found.lines().count(), 8, "{found}");
    for (name, _) in environment {
        assert!(found.contains(name), "{name} is not named in\n{found}");
    }
    let syntax = findings("[http]\n\nlisten = ", &[("JOIN_COMMUNITY__JOIN__LANES", "0")]);
    assert!(syntax.contains("is no TOML, line 3") && syntax.contains("join.lanes = 0"), "{syntax}");
    let absent = load::<String, String>(Some(&PathBuf::from("/nowhere.toml")), []).unwrap_err();
    assert!(absent.to_string().starts_with("/nowhere.toml: cannot be read"), "{absent}");
}

#[test]
fn no_rule_is_applied_to_a_value_that_could_not_be_read() {
    let found = findings("[database]\nlock_timeout = \"9s\"\nstatement_timeout = \"x\"", &[]);
    assert_eq!(found.lines().count(), 1, "{found}");
}

#[test]
fn no_secret_is_shown_whatever_is_wrong_with_it() {
    let files = [
        "[broker]\nurl = \"hunter2\"",
        "[broker]\nurl = [\"hunter2\"]\nurll = \"amqp://u:hunter2@h\"",
        "[cache]\nurl = \"redis://:hunter2,@h\"\nurl_file = \"x\"",
        "[database]\nurl = \"postgres://u:hunter2@h",
        "[brokr]\nurl = \"amqp://u:hunter2@h\"",
        "url = \"amqp://u:hunter2@h\"",
        "[auth]\njwks = \"https://u:hunter2@h/?k=hunter2\"",
        "[http]\noidc_client_secret = \"hunter2\"",
        "[http]\noidc_client_secret = [\"hunter2\"]\noidc_issuer = \"https://u:hunter2@h/?k=hunter2\"",
        "[webhooks]\nkey = \"hunter2\"\ntargets = [{name=\"a\",url=\"http://u:hunter2@h/hunter2\"}]",
        "[webhooks]\ntargets = [{name=\"a\",uri=\"http://h/hunter2\"}]",
        "[webhooks]\ntargets = \"http://h/hunter2\"",
    ];
    for file in files {
        let found = findings(file, &[("JOIN_COMMUNITY__BROKER__URI", "hunter2")]);
        assert!(!found.contains("hunter2"), "{file}\n  tells\n{found}");
    }
    let config = layered("[broker]\nurl = \"amqp://u:hunter2@h\"", &[]).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn receivers_of_webhooks_may_come_from_the_environment_and_their_key_from_a_file() {
    let key = Scratch::new("-----BEGIN PRIVATE KEY-----\n…\n");
    let environment = [
        ("JOIN_COMMUNITY__WEBHOOKS__TARGETS", r#"[{ name = "crm", url = "https://crm.example/hunter2" }]"#),
        ("JOIN_COMMUNITY__WEBHOOKS__LADDER", r#"["50ms", "1h 30m"]"#),
        ("JOIN_COMMUNITY__WEBHOOKS__KEY_FILE", key.name()),
    ];
    let config = layered("", &environment).unwrap();
    assert_eq!(config.webhooks.targets[0].name, "crm");
    assert_eq!(config.webhooks.ladder, [Duration::from_millis(50), Duration::from_mins(90)]);
    assert!(config.webhooks.key.expose_secret().starts_with("-----BEGIN") && config.secret_files.contains(&key.0));
    assert!(!format!("{config:?}").contains("hunter2"));
}
