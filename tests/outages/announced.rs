//! Events that survive the broker they lie in: nobody is bound, so they are kept in a queue on disk.

use std::collections::HashMap;

use uuid::Uuid;

use crate::support::{Crowd, Installation, JOINABLE, subject};

impl Installation {
    /// Proves that each member of these crowds was announced, and never in two ways.
    pub(crate) async fn all_announced(&self, crowds: &[&Crowd]) {
        const KEPT: &str = "members.events.unrouted";
        let mut ids: HashMap<Uuid, String> = HashMap::new();
        for event in self.messages(KEPT, self.depth(KEPT).await).await {
            let (member, id) = (subject(&event), event.message_id().expect("an event has an id").to_owned());
            assert_eq!(event.json()["entityEventSequence"], (JOINABLE.sequence + 1).to_string());
            assert_eq!(*ids.entry(member).or_insert_with(|| id.clone()), id, "one change, two ids");
        }
        let missing = crowds.iter().flat_map(|crowd| &crowd.members).filter(|member| !ids.contains_key(member)).count();
        assert_eq!(missing, 0, "members of whom nothing was announced");
    }
}
