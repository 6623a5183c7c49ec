//! PostgreSQL: whether it can be reached, has the schema, and keeps what it has confirmed.

use std::time::Duration;

use humantime::format_duration;

use super::finding::{Finding, Findings};
use crate::config::Config;
use crate::postgres::{ServerFacts, preflight};

/// Oldest version that the worker's statements run on.
const OLDEST: i32 = 150_000;

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let mut found = Findings::of("database");
    match preflight(&config.database).await {
        Ok(facts) => judge(&facts, config, &mut found),
        Err(error) => found.failure("cannot be used", &error),
    }
    found.into_vec()
}

fn judge(facts: &ServerFacts, config: &Config, found: &mut Findings) {
    if facts.version < OLDEST {
        found.error("is too old", &facts.version_text, "version 15 or newer is needed");
    } else {
        found.ok("reached", format_args!("PostgreSQL {}", facts.version_text));
    }
    schema(facts, found);
    if facts.read_only {
        found.error("takes no writes", "it is read-only or a standby", "let database.url name the primary");
    }
    for (setting, value) in &facts.durability {
        if value == "off" {
            let remedy = "turn it on: a joined member must still be joined after a power failure";
            found.error("does not keep what it has confirmed", format_args!("{setting} = {value}"), remedy);
        }
    }
    if facts.durability.iter().all(|(_, value)| value != "off") {
        let shown: Vec<_> = facts.durability.iter().map(|(setting, value)| format!("{setting} = {value}")).collect();
        found.ok("keeps what it has confirmed", shown.join(", "));
    }
    clock(facts.clock_apart, config.auth.leeway, found);
}

fn clock(apart: Duration, leeway: Duration, found: &mut Findings) {
    let shown = format_duration(Duration::from_millis(apart.as_millis().try_into().unwrap_or(u64::MAX)));
    if apart > leeway {
        let value = format_args!("{shown} apart, auth.leeway = {}", format_duration(leeway));
        found.error(
            "its clock differs from ours",
            value,
            "synchronise both (NTP): tokens, leases and event times depend on it",
        );
    } else {
        found.ok("its clock agrees with ours", format_args!("{shown} apart"));
    }
}

fn schema(facts: &ServerFacts, found: &mut Findings) {
    match &facts.schema {
        Ok(pending) if pending.is_empty() => found.ok("the schema is up to date", ""),
        Ok(pending) => {
            let shown = pending.join(", ");
            found.error("the schema is not up to date", shown, "run `join-community migrate`");
        }
        Err(error) => found.failure("the schema is not one of this program", error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Findings, judge};
    use crate::cli::check::finding::Level;
    use crate::config::load;
    use crate::postgres::ServerFacts;

    fn errors(change: impl FnOnce(&mut ServerFacts)) -> String {
        let config = load::<String, String>(None, []).unwrap();
        let mut facts = ServerFacts {
            version: 150_018,
            version_text: "15.18".to_owned(),
            read_only: false,
            durability: vec![("fsync", "on".to_owned()), ("synchronous_commit", "remote_apply".to_owned())],
            clock_apart: Duration::from_secs(1),
            schema: Ok(Vec::new()),
        };
        change(&mut facts);
        let mut found = Findings::of("database");
        judge(&facts, &config, &mut found);
        let errors = found.into_vec().into_iter().filter(|finding| finding.level == Level::Error);
        errors.map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn a_database_that_would_lose_or_refuse_what_is_written_is_an_error() {
        assert_eq!(errors(|_| {}), "");
        assert!(errors(|facts| facts.version = 140_000).contains("too old"));
        assert!(errors(|facts| facts.read_only = true).contains("takes no writes"));
        assert!(errors(|facts| facts.durability[0].1 = "off".to_owned()).contains("fsync = off"));
        assert!(errors(|facts| facts.clock_apart = Duration::from_secs(31)).contains("31s apart"));
        assert!(errors(|facts| facts.schema = Ok(vec!["members".to_owned()])).contains("run `join-community migrate`"));
    }
}
