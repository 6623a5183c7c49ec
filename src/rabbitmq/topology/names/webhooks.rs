//! What the queues and keys of webhooks are called. Apart, because there are none where webhooks are off, and elsewhere as
//! many as the configuration names targets and waits.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Names;
use crate::config;

/// Every name of webhooks begins so.
pub(super) const WEBHOOKS: &str = "join-community.webhooks";

impl Names {
    /// The same with the webhooks that the configuration is about; none if they are off.
    #[must_use]
    pub fn with_webhooks(self, webhooks: &config::Webhooks) -> Self {
        // Tries of one target with equal waits share a queue; targets share none.
        let waits: BTreeSet<Duration> = webhooks.ladder.iter().copied().collect();
        let targets = webhooks.targets.iter().map(|target| target.name.as_str().into());
        Self { targets: targets.collect(), waits: waits.into_iter().collect(), ..self }
    }

    /// The targets of webhooks.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(|target| &**target)
    }

    /// The different waits of a webhook between two tries, the shortest first.
    #[must_use]
    pub fn waits(&self) -> &[Duration] {
        &self.waits
    }

    /// The queue of events that are to become webhooks.
    #[must_use]
    pub fn webhooks(&self) -> String {
        self.full(WEBHOOKS)
    }

    /// The queue of webhooks on their way to a target.
    #[must_use]
    pub fn webhook(&self, target: &str) -> String {
        self.full(&format!("{WEBHOOKS}.to.{target}"))
    }

    /// The queue in which a target's webhooks wait for so long.
    #[must_use]
    pub fn webhook_retry(&self, target: &str, wait: Duration) -> String {
        format!("{}.retry.{}", self.webhook(target), word(wait))
    }

    /// A target's queues: the one it is served from, and those in which its webhooks wait.
    #[must_use]
    pub fn webhook_way(&self, target: &str) -> Vec<String> {
        let waiting = self.waits.iter().map(|wait| self.webhook_retry(target, *wait));
        std::iter::once(self.webhook(target)).chain(waiting).collect()
    }

    /// The queue of what was to become a webhook and is none of anybody's.
    #[must_use]
    pub fn webhook_dead_letters(&self) -> String {
        self.full(&format!("{WEBHOOKS}.dead-letters"))
    }

    /// The queue of a target's webhooks that it did not take.
    #[must_use]
    pub fn webhook_dead_letters_of(&self, target: &str) -> String {
        format!("{}.{target}", self.webhook_dead_letters())
    }

    /// Every queue of dead letters of webhooks: the one that is nobody's, and each target's.
    #[must_use]
    pub fn all_webhook_dead_letters(&self) -> Vec<String> {
        let of_targets = self.targets().map(|target| self.webhook_dead_letters_of(target));
        std::iter::once(self.webhook_dead_letters()).chain(of_targets).collect()
    }

    /// The routing key that leads to a target. Routing keys have no prefix.
    #[must_use]
    pub fn webhook_key(target: &str) -> String {
        format!("webhook.{target}")
    }

    /// The routing key that leads a target's webhook into a wait.
    #[must_use]
    pub fn webhook_retry_key(target: &str, wait: Duration) -> String {
        format!("webhook.{target}.retry.{}", word(wait))
    }

    /// Every queue of webhooks; none if they are off.
    #[must_use]
    pub fn webhook_queues(&self) -> Vec<String> {
        if self.targets.is_empty() {
            return Vec::new();
        }
        let ways = self.targets().flat_map(|target| self.webhook_way(target));
        std::iter::once(self.webhooks()).chain(self.all_webhook_dead_letters()).chain(ways).collect()
    }
}

/// A wait as its queue's name spells it: `1m`, `1h30m`.
fn word(wait: Duration) -> String {
    humantime::format_duration(wait).to_string().replace(' ', "")
}

#[cfg(test)]
pub(in crate::rabbitmq::topology) mod tests {
    use std::time::Duration;

    use super::Names;
    use crate::config::{WebhookTarget, Webhooks};

    /// Two targets, three tries with two different waits.
    pub(in crate::rabbitmq::topology) fn sample() -> Webhooks {
        let target = |name: &str| WebhookTarget { name: name.to_owned(), url: "https://h".into() };
        Webhooks {
            targets: vec![target("crm"), target("mail-2")],
            key: "key".into(),
            account_id: String::new(),
            timeout: Duration::from_secs(1),
            concurrency: 1,
            ladder: [60, 5400, 5400].map(Duration::from_secs).into(),
        }
    }

    #[test]
    fn each_target_has_a_queue_one_for_each_different_wait_and_one_for_its_dead_letters() {
        let names = Names::new("eu.").with_webhooks(&sample());
        let expected = [
            "eu.join-community.webhooks",
            "eu.join-community.webhooks.dead-letters",
            "eu.join-community.webhooks.dead-letters.crm",
            "eu.join-community.webhooks.dead-letters.mail-2",
            "eu.join-community.webhooks.to.crm",
            "eu.join-community.webhooks.to.crm.retry.1m",
            "eu.join-community.webhooks.to.crm.retry.1h30m",
            "eu.join-community.webhooks.to.mail-2",
            "eu.join-community.webhooks.to.mail-2.retry.1m",
            "eu.join-community.webhooks.to.mail-2.retry.1h30m",
        ];
        assert_eq!(names.webhook_queues(), expected);
        assert!(expected.iter().all(|queue| Names::new("us.").is_own_queue(queue)), "a reply could go there");
        assert_eq!(Names::webhook_key("crm"), "webhook.crm");
        assert_eq!(Names::webhook_retry_key("crm", Duration::from_mins(90)), "webhook.crm.retry.1h30m");
    }

    #[test]
    fn there_is_none_where_they_are_off() {
        let off = Webhooks { targets: Vec::new(), ..sample() };
        assert!(Names::new("").with_webhooks(&off).webhook_queues().is_empty());
        assert_eq!(Names::new("").targets().count(), 0);
    }
}
