//! The configuration against itself and against its files. What contradicts itself outright was refused at start; here
//! is what works and is still unlikely to be meant.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use humantime::format_duration;
use secrecy::{ExposeSecret as _, SecretString};

use super::finding::{Finding, Findings};
use crate::config::{Config, amqp_user};
use crate::rabbitmq::topology::rung_for;

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let mut found = Findings::of("config");
    trust(config, &mut found);
    users(config, &mut found);
    retention(config, &mut found);
    exposure(config, &mut found);
    files(config, &mut found);
    found.into_vec()
}

fn trust(config: &Config, found: &mut Findings) {
    let auth = &config.auth;
    if auth.jwks.is_empty() && auth.producers.is_empty() {
        found.warning("nobody is trusted", "every request is refused", "set auth.jwks or list auth.producers");
    } else {
        let tokens = if auth.jwks.is_empty() { "no tokens" } else { "tokens of auth.issuer" };
        found.ok("trusted", format_args!("{tokens}, {} producers", auth.producers.len()));
    }
}

/// The worker's user is what it knows its own copies by, so nobody else may be that user.
fn users(config: &Config, found: &mut Findings) {
    let broker = &config.broker;
    let user = |url: &SecretString| amqp_user(url.expose_secret());
    let (worker, producer, operator) = (user(&broker.url), user(&broker.producer_url), user(&broker.operator_url));
    let shown = |user: &Option<String>| user.clone().unwrap_or_else(|| "none".to_owned());
    if producer == worker {
        let remedy = "give broker.producer_url a user of its own: as the worker's it could forge any proof";
        found.error("worker and producer are one broker user", shown(&worker), remedy);
    }
    if operator == worker || (operator.is_some() && operator == producer) {
        let remedy = "give broker.operator_url a user of its own, with no right but to read";
        found.warning("the operator shares a broker user", shown(&operator), remedy);
    }
    let listed = |user: &String| config.auth.producers.iter().any(|producer| producer.user == *user);
    if let Some(user) = producer.as_ref().filter(|user| !listed(user)) {
        let remedy = "without a token `enqueue` is answered 401; list the user in auth.producers if it may vouch";
        found.warning("the producer of broker.producer_url is not trusted", user, remedy);
    }
    let shown = [&worker, &producer, &operator].map(shown);
    found.ok("broker users", format_args!("worker {}, producer {}, operator {}", shown[0], shown[1], shown[2]));
}

/// A request that comes back after its verdict is forgotten is carried out a second time.
fn retention(config: &Config, found: &mut Findings) {
    let kept = config.requests.retention;
    let join = &config.join;
    let ladder = on_ladder(join.unknown_member_retries) + on_ladder(join.busy_retries);
    let waits = if config.auth.trust_broker_timestamps { config.auth.max_queue_delay } else { Duration::ZERO };
    let shown = format_args!("requests.retention = {}", format_duration(kept)).to_string();
    let span = format_duration(Duration::from_secs((ladder + waits).as_secs())).to_string();
    if kept <= ladder + waits {
        let remedy = "raise it: verdicts are forgotten while their requests may still be on their way";
        found.error("verdicts are kept too briefly", format_args!("{shown}, a request may take {span}"), remedy);
    } else if kept < WEEK {
        let remedy = "dead letters older than that need `replay --force`, and may then be carried out twice";
        found.warning("verdicts are kept for less than a week", shown, remedy);
    } else {
        found.ok("verdicts outlive their requests", format_args!("{shown}, the retry ladder takes {span}"));
    }
}

/// What somebody needs at least to notice a dead letter and to replay it.
const WEEK: Duration = Duration::from_hours(7 * 24);

/// How long so many attempts for one thing take.
fn on_ladder(attempts: u32) -> Duration {
    (1..=attempts).map(|attempt| rung_for(attempt).delay).sum()
}

fn exposure(config: &Config, found: &mut Findings) {
    let listen = &config.http.listen;
    if listen.parse::<SocketAddr>().is_ok_and(|address| !address.ip().is_loopback()) {
        let remedy = "it speaks plain HTTP, so what is asked and shown can be read on the way: let only a proxy that \
                      speaks TLS, or a private network, reach it";
        found.warning("the operations server is not on the loopback", format_args!("http.listen = {listen}"), remedy);
    }
}

fn files(config: &Config, found: &mut Findings) {
    const OTHERS_MAY_READ: u32 = 0o004;
    for path in &config.secret_files {
        let mode = std::fs::metadata(path).map(|data| data.permissions().mode() & 0o777).unwrap_or_default();
        if mode & OTHERS_MAY_READ == 0 {
            found.ok("a secret is in a file that only some may read", path.display());
        } else {
            let remedy = format!("chmod o= {}", path.display());
            found.warning(
                "a secret is in a file that everybody may read",
                format_args!("{}, mode {mode:o}", path.display()),
                remedy,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::{look, on_ladder};
    use crate::cli::check::told::{configured, said};

    #[test]
    fn the_ladder_takes_as_long_as_its_rungs() {
        assert_eq!(on_ladder(0).as_secs(), 0);
        assert_eq!(on_ladder(3).as_secs(), 36);
        assert_eq!(on_ladder(8).as_secs(), 36 + 120 + 4 * 600);
    }

    #[test]
    fn what_is_unlikely_to_be_meant_is_said() {
        let cases: &[(&str, &str, &str)] = &[
            ("HTTP__LISTEN", "0.0.0.0:8080", "warning config    the operations server is not on the loopback"),
            ("HTTP__LISTEN", "[::1]:8080", "warning config    nobody is trusted"),
            ("BROKER__PRODUCER_URL", "amqp://join-worker:x@h", "error   config    worker and producer are one"),
            ("BROKER__PRODUCER_URL", "amqp://stranger:x@h", "warning config    the producer of broker.producer_url is"),
            (
                "BROKER__OPERATOR_URL",
                "amqp://member-gateway:x@h",
                "warning config    the operator shares a broker user",
            ),
            ("REQUESTS__RETENTION", "1d", "warning config    verdicts are kept for less than a week"),
            ("JOIN__BUSY_RETRIES", "1000", "ok      config    verdicts outlive their requests"),
        ];
        for (key, value, expected) in cases {
            let said = said(&look(&configured(&[(&format!("JOIN_COMMUNITY__{key}"), value)])));
            assert!(
                said.lines().any(|line| line.starts_with(expected)),
                "{key}={value} should say {expected}:\n{said}"
            );
        }
        let brief = [("JOIN_COMMUNITY__REQUESTS__RETENTION", "1h"), ("JOIN_COMMUNITY__JOIN__BUSY_RETRIES", "10")];
        assert!(said(&look(&configured(&brief))).contains("error   config    verdicts are kept too briefly"));
    }

    #[test]
    fn a_secret_that_everybody_may_read_is_a_warning() {
        let path = std::env::temp_dir().join(format!("join-community-check-{}", uuid::Uuid::new_v4()));
        fs::write(&path, "redis://:hunter2@h\n").unwrap();
        let said = |mode| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            said(&look(&configured(&[("JOIN_COMMUNITY__CACHE__URL_FILE", path.to_str().unwrap())])))
        };
        let (open, closed) = (said(0o644), said(0o600));
        fs::remove_file(&path).unwrap();
        assert!(open.contains("everybody may read") && open.contains("mode 644"), "{open}");
        assert!(!closed.contains("everybody may read"), "{closed}");
    }
}
