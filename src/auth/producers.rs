//! The producers that may vouch for callers. Separate, because their entries are looked up again for every copy.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::AuthSetupError;
use crate::config;
use crate::domain::{IdentityType, Proof, SiteId};

/// Who may vouch, by broker user.
pub(super) struct Producers(HashMap<String, Entry>);

struct Entry {
    identity_types: Vec<IdentityType>,
    sites: Sites,
    may_elevate: bool,
}

enum Sites {
    All,
    These(HashSet<SiteId>),
}

impl Producers {
    pub(super) fn new(listed: &[config::Producer], worker_user: &str) -> Result<Self, AuthSetupError> {
        let mut entries = HashMap::with_capacity(listed.len());
        for (index, producer) in listed.iter().enumerate() {
            let refused = |key: &str, value: &str, rule| {
                AuthSetupError::setting(format!("auth.producers[{index}].{key}"), value, rule)
            };
            let user = producer.user.as_str();
            if user.is_empty() {
                return Err(refused("user", user, "a broker user"));
            }
            if user == worker_user {
                return Err(refused("user", user, "not the worker's own user: its word stands for copies alone"));
            }
            let entry = Entry {
                identity_types: identity_types(producer)
                    .map_err(|word| refused("identity_types", word, "MEMBER, ANONYMOUS_VISITOR, WIX_USER or APP"))?,
                sites: sites(producer).map_err(|site| refused("sites", site, "site GUIDs, or `*` for all"))?,
                may_elevate: producer.may_elevate,
            };
            if entries.insert(user.to_owned(), entry).is_some() {
                return Err(refused("user", user, "listed once"));
            }
        }
        Ok(Self(entries))
    }

    /// What a user's word is worth for callers of this type at this site; `None` if it is worth nothing.
    pub(super) fn proof(&self, user: &str, site: SiteId, identity_type: IdentityType) -> Option<Proof> {
        let entry = self.0.get(user)?;
        let covers_site = match &entry.sites {
            Sites::All => true,
            Sites::These(sites) => sites.contains(&site),
        };
        let vouches = covers_site && entry.identity_types.contains(&identity_type);
        Some(Proof::Producer { vouches, may_elevate: entry.may_elevate })
    }

    pub(super) fn lists(&self, user: &str) -> bool {
        self.0.contains_key(user)
    }
}

fn identity_types(producer: &config::Producer) -> Result<Vec<IdentityType>, &str> {
    producer.identity_types.iter().map(|word| IdentityType::parse(word).ok_or(word.as_str())).collect()
}

fn sites(producer: &config::Producer) -> Result<Sites, &str> {
    if producer.sites.iter().any(|site| site == "*") {
        return Ok(Sites::All);
    }
    let site = |text: &'_ String| Uuid::try_parse(text).ok().filter(|_| text.len() == 36).map(SiteId);
    producer.sites.iter().map(|text| site(text).ok_or(text.as_str())).collect::<Result<_, _>>().map(Sites::These)
}
