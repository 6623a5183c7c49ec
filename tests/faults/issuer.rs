//! An issuer of session tokens, with keys of its own, and requests that only its tokens vouch for. Apart from the load,
//! whose producer is trusted by its name.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use join_community::auth::mint::{Algorithm, DevelopmentKeys, TokenClaims};
use join_community::domain::{Caller, IdentityType, SiteId};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString};
use time::OffsetDateTime;

use crate::checker::REPLIES;
use crate::fleet::Fleet;
use crate::ledger::{Expected, Key};
use crate::load::Load;

const NAME: &str = "https://issuer.test";
const AUDIENCE: &str = "join-community";

/// How far the clocks may differ.
pub(crate) const LEEWAY: Duration = Duration::from_secs(5);

/// An issuer.
pub(crate) struct Issuer {
    /// Its keys.
    pub(crate) keys: DevelopmentKeys,
}

impl Issuer {
    /// One whose keys are kept in the folder.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let keys = DevelopmentKeys::load_or_create(folder);
        Ok(Self { keys: keys.with_context(|| folder.display().to_string())? })
    }

    /// Its public keys.
    pub(crate) fn public_keys(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.keys.jwks_path())?)
    }

    /// What a sound token of a member says.
    pub(crate) fn claims((site, member): Key) -> TokenClaims {
        TokenClaims {
            issuer: NAME.to_owned(),
            audience: AUDIENCE.to_owned(),
            site: SiteId(site),
            caller: Caller { identity_type: IdentityType::Member, id: member },
            permissions: Vec::new(),
            expires_at: OffsetDateTime::now_utc() + Duration::from_mins(10),
            not_before: None,
            request_id: None,
        }
    }

    /// A member's own request to join, with a token and nobody else's word.
    pub(crate) fn join(&self, load: &mut Load, id: String, claims: &TokenClaims, expected: Expected) -> Result<()> {
        let token = self.keys.token(claims, Algorithm::Es256)?;
        add(load, id, claims, &token, expected);
        Ok(())
    }

    /// The same with a token that names a key which nobody ever had.
    pub(crate) fn join_under_unknown_key(&self, load: &mut Load, id: String, claims: &TokenClaims) -> Result<()> {
        let token = self.keys.token_under(claims, Algorithm::Es256, &format!("no-key-{id}"))?;
        add(load, id, claims, &token, Expected::Refused);
        Ok(())
    }
}

/// Lets workers that start from now on accept the tokens of whoever's keys stand there.
pub(crate) fn trust(fleet: &mut Fleet, jwks: &str) {
    fleet.set("JOIN_COMMUNITY__AUTH__JWKS", jwks);
    fleet.set("JOIN_COMMUNITY__AUTH__JWKS_COOLDOWN", "1s");
    fleet.set("JOIN_COMMUNITY__AUTH__ISSUER", NAME);
    fleet.set("JOIN_COMMUNITY__AUTH__AUDIENCE", AUDIENCE);
    fleet.set("JOIN_COMMUNITY__AUTH__LEEWAY", format!("{}s", LEEWAY.as_secs()));
}

fn add(load: &mut Load, id: String, claims: &TokenClaims, token: &str, expected: Expected) {
    let member = claims.caller.id;
    let request = load.join(id, (claims.site.0, member), expected);
    load.ledger.requests[request].requester = format!("token:{NAME}:MEMBER:{member}");
    if let Some(message) = load.messages.last_mut() {
        let mut headers = FieldTable::default();
        let header = AMQPValue::LongString(LongString::from(format!("Bearer {token}")));
        headers.insert("authorization".into(), header);
        // There is no method that takes `user_id` away.
        message.properties = BasicProperties::default()
            .with_message_id(load.ledger.requests[request].id.as_str().into())
            .with_reply_to(REPLIES.into())
            .with_delivery_mode(2)
            .with_headers(headers);
    }
}
