//! Redis: whether it can be reached, and whether it is one that the worker can rely on.

use super::finding::{Finding, Findings};
use crate::cache::{ServerFacts, preflight};
use crate::config::Config;

/// Older ones know no users and have had no fixes for years.
const OLDEST: u32 = 6;

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let mut found = Findings::of("cache");
    for (place, facts) in preflight(&config.cache).await {
        match facts {
            Ok(facts) => judge(&place, &facts, &mut found),
            Err(error) => {
                found.failure(format!("{place} cannot be used; joins go on, profiles are not cached"), &error);
            }
        }
    }
    found.into_vec()
}

fn judge(place: &str, facts: &ServerFacts, found: &mut Findings) {
    let version = format!("{place}, version {}", facts.version);
    let major = facts.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major < OLDEST) {
        found.error("is too old", version, format!("use Redis {OLDEST} or newer, or Valkey"));
    } else {
        found.ok("reached", version);
    }
    if facts.role.as_deref() == Some("slave") {
        found.error("is a replica, which takes no writes", place, "let cache.url name the primary");
    }
    let policy = &facts.maxmemory_policy;
    if facts.maxmemory == 0 {
        found.ok("memory", format_args!("no limit of its own (maxmemory = 0, {policy})"));
    } else if policy == "noeviction" {
        let remedy = "when it is full, writes fail and are tried again without end; use volatile-ttl or allkeys-lru";
        found.warning("memory", format_args!("maxmemory-policy = {policy}"), remedy);
    } else {
        found.ok("memory", format_args!("maxmemory = {} bytes, {policy}", facts.maxmemory));
    }
}

#[cfg(test)]
mod tests {
    use super::{Findings, judge};
    use crate::cache::ServerFacts;
    use crate::cli::check::finding::Level;

    fn levels(version: &str, role: &str, maxmemory: u64, policy: &str) -> Vec<Level> {
        let facts = ServerFacts {
            version: version.to_owned(),
            role: Some(role.to_owned()),
            maxmemory,
            maxmemory_policy: policy.to_owned(),
        };
        let mut found = Findings::of("cache");
        judge("redis://h", &facts, &mut found);
        found.into_vec().iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn only_a_primary_of_our_days_that_can_make_room_is_right() {
        use Level::{Error, Ok, Warning};
        assert_eq!(levels("7.0.15", "master", 0, "noeviction"), [Ok, Ok]);
        assert_eq!(levels("7.0.15", "master", 9, "volatile-ttl"), [Ok, Ok]);
        assert_eq!(levels("7.0.15", "master", 9, "noeviction"), [Ok, Warning]);
        assert_eq!(levels("7.0.15", "slave", 0, "noeviction"), [Ok, Error, Ok]);
        assert_eq!(levels("5.0.14", "master", 0, "noeviction"), [Error, Ok]);
    }
}
