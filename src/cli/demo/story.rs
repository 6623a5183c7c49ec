//! What the demo tells: each scene, and what the contract says must come of it.

use anyhow::Context as _;
use secrecy::SecretString;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::cast::Cast;
use crate::auth::mint::{Algorithm, DevelopmentKeys, TokenClaims};
use crate::config;
use crate::domain::{Caller, IdentityType, MemberId, RequestId, SiteId};
use crate::wire::request::{Draft, encode};

/// One request, and what must come of it.
pub(super) struct Scene {
    pub(super) title: &'static str,
    pub(super) id: RequestId,
    pub(super) body: Vec<u8>,
    pub(super) token: Option<SecretString>,
    /// Whose record and cache entry are looked at afterwards.
    pub(super) subject: Option<(SiteId, MemberId)>,
    pub(super) expected: Expected,
}

/// What must come of a scene, in the words of the table.
pub(super) struct Expected {
    pub(super) reply: &'static str,
    pub(super) record: &'static str,
    pub(super) cache: &'static str,
    pub(super) event: &'static str,
}

/// Everything, in order.
pub(super) fn scenes(cast: &Cast, auth: &config::Auth) -> anyhow::Result<Vec<Scene>> {
    let johns = token(cast, auth)?;
    let john = member(cast.john);
    let own = Draft { site: cast.open, member: None, identity: None, elevated: None };
    let by = |caller, target, elevated| Draft {
        site: cast.open,
        member: Some(target),
        identity: Some(caller),
        elevated: Some(elevated),
    };
    let app = Caller { identity_type: IdentityType::App, id: cast.app };
    let first = new_id()?;

    let mut scenes = Vec::new();
    let mut scene = |title, id, body, token: Option<&SecretString>, subject, expected: [&'static str; 4]| {
        let [reply, record, cache, event] = expected;
        let expected = Expected { reply, record, cache, event };
        scenes.push(Scene { title, id, body, token: token.cloned(), subject, expected });
    };
    let john_at = Some((cast.open, cast.john));
    scene(
        "John joins, by session token",
        first.clone(),
        encode(&own),
        Some(&johns),
        john_at,
        ["200", "PUBLIC, sequence 1", "profile, sequence 1", "sequence 1, join_community"],
    );
    scene(
        "the same request again",
        first,
        encode(&own),
        Some(&johns),
        john_at,
        ["200", "PUBLIC, sequence 1", "profile, sequence 1", "none"],
    );
    scene(
        "a second request of John's",
        new_id()?,
        encode(&own),
        Some(&johns),
        john_at,
        ["200", "PUBLIC, sequence 1", "profile, sequence 1", "none"],
    );
    let claude_at = Some((cast.open, cast.claude));
    scene(
        "John joins for Claude",
        new_id()?,
        encode(&by(john, cast.claude, false)),
        None,
        claude_at,
        ["403 PERMISSION_DENIED", "PRIVATE, sequence 0", "none", "none"],
    );
    scene(
        "an app joins for Claude, elevated",
        new_id()?,
        encode(&by(app, cast.claude, true)),
        None,
        claude_at,
        ["200", "PUBLIC, sequence 1", "profile, sequence 1", "sequence 1, join_community"],
    );
    let blocked = by(member(cast.blocked), cast.blocked, false);
    scene(
        "a blocked member",
        new_id()?,
        encode(&blocked),
        None,
        Some((cast.open, cast.blocked)),
        ["428 COMMUNITY_JOIN_IMPOSSIBLE BLOCKED", "PRIVATE, sequence 0", "tombstone, sequence 0", "none"],
    );
    let shut_out = Draft { site: cast.closed, ..by(member(cast.shut_out), cast.shut_out, false) };
    scene(
        "a member of a closed site",
        new_id()?,
        encode(&shut_out),
        None,
        Some((cast.closed, cast.shut_out)),
        ["428 COMMUNITY_JOIN_IMPOSSIBLE SITE_CLOSED", "PRIVATE, sequence 0", "none", "none"],
    );
    let stranger = by(member(cast.stranger), cast.stranger, false);
    scene(
        "an unknown member",
        new_id()?,
        encode(&stranger),
        None,
        Some((cast.open, cast.stranger)),
        ["404 NOT_FOUND", "none", "none", "none"],
    );
    let malformed = br#"{ "siteId": "the one with the blue door" }"#.to_vec();
    scene(
        "a malformed message",
        new_id()?,
        malformed,
        None,
        None,
        ["400 INVALID_ARGUMENT siteId", "-", "-", "none; dead letter: malformed, /siteId"],
    );
    Ok(scenes)
}

/// John's session token, as the site's login would give it to him.
fn token(cast: &Cast, auth: &config::Auth) -> anyhow::Result<SecretString> {
    let jwks = std::path::Path::new(&auth.jwks);
    let directory = jwks.parent().context("auth.jwks names no file: use config/local.toml")?;
    let keys = DevelopmentKeys::load_or_create(directory)?;
    let claims = TokenClaims {
        issuer: auth.issuer.clone(),
        audience: auth.audience.clone(),
        site: cast.open,
        caller: member(cast.john),
        permissions: Vec::new(),
        expires_at: OffsetDateTime::now_utc() + Duration::minutes(10),
        not_before: None,
        request_id: None,
    };
    Ok(keys.token(&claims, Algorithm::default())?.into())
}

fn member(id: MemberId) -> Caller {
    Caller { identity_type: IdentityType::Member, id: id.0 }
}

fn new_id() -> anyhow::Result<RequestId> {
    RequestId::parse(&Uuid::now_v7().to_string()).context("no request id could be made")
}
