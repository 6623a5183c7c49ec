//! What the demo tells: each scene, and what the contract says must come of it.

use anyhow::Context as _;
use secrecy::SecretString;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::cast::Cast;
use crate::auth::mint::{Algorithm, DevelopmentKeys, TokenClaims};
use crate::config;
use crate::domain::{Caller, IdentityType, MemberId, Method, RequestId, SiteId};
use crate::wire::request::{Draft, encode};

/// One request, and what must come of it.
pub(super) struct Scene {
    pub(super) title: &'static str,
    pub(super) id: RequestId,
    pub(super) method: Method,
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

impl Expected {
    const fn new(reply: &'static str, record: &'static str, cache: &'static str, event: &'static str) -> Self {
        Self { reply, record, cache, event }
    }
}

/// Everything, in order.
pub(super) fn scenes(cast: &Cast, auth: &config::Auth) -> anyhow::Result<Vec<Scene>> {
    let mut scenes = johns(cast, &token(cast, auth)?)?;
    scenes.extend(elevation(cast)?);
    scenes.extend(refusals(cast)?);
    Ok(scenes)
}

/// By session token: he joins once, however often he asks, until he leaves.
fn johns(cast: &Cast, token: &SecretString) -> anyhow::Result<Vec<Scene>> {
    let body = encode(&Draft { site: cast.open, member: None, identity: None, elevated: None });
    let first = new_id()?;
    let public = |event| Expected::new("200", "PUBLIC, sequence 1", "profile, sequence 1", event);
    let private = Expected::new("200", "PRIVATE, sequence 2", "tombstone, sequence 2", "sequence 2, leave_community");
    let scene = |title, id, method, expected| Scene {
        title,
        id,
        method,
        body: body.clone(),
        token: Some(token.clone()),
        subject: Some((cast.open, cast.john)),
        expected,
    };
    Ok(vec![
        scene("John joins, by session token", first.clone(), Method::Join, public("sequence 1, join_community")),
        scene("the same request again", first, Method::Join, public("none")),
        scene("a second request of John's", new_id()?, Method::Join, public("none")),
        scene("John leaves", new_id()?, Method::Leave, private),
    ])
}

/// By a trusted producer: for somebody else, without elevated permission and with it.
fn elevation(cast: &Cast) -> anyhow::Result<Vec<Scene>> {
    let app = Caller { identity_type: IdentityType::App, id: cast.app };
    let scene = |title, caller, elevated, expected| {
        let draft =
            Draft { site: cast.open, member: Some(cast.claude), identity: Some(caller), elevated: Some(elevated) };
        let (body, subject) = (encode(&draft), Some((cast.open, cast.claude)));
        anyhow::Ok(Scene { title, id: new_id()?, method: Method::Join, body, token: None, subject, expected })
    };
    let denied = Expected::new("403 PERMISSION_DENIED", "PRIVATE, sequence 0", "none", "none");
    let joined = Expected::new("200", "PUBLIC, sequence 1", "profile, sequence 1", "sequence 1, join_community");
    Ok(vec![
        scene("John joins for Claude", member(cast.john), false, denied)?,
        scene("an app joins for Claude, elevated", app, true, joined)?,
    ])
}

/// By a trusted producer: what cannot be.
fn refusals(cast: &Cast) -> anyhow::Result<Vec<Scene>> {
    let scene = |title, site, id: MemberId, expected| {
        let draft = Draft { site, member: Some(id), identity: Some(member(id)), elevated: Some(false) };
        anyhow::Ok(Scene {
            title,
            id: new_id()?,
            method: Method::Join,
            body: encode(&draft),
            token: None,
            subject: Some((site, id)),
            expected,
        })
    };
    let blocked =
        Expected::new("428 COMMUNITY_JOIN_IMPOSSIBLE BLOCKED", "PRIVATE, sequence 0", "tombstone, sequence 0", "none");
    let closed = Expected::new("428 COMMUNITY_JOIN_IMPOSSIBLE SITE_CLOSED", "PRIVATE, sequence 0", "none", "none");
    let unknown = Expected::new("404 NOT_FOUND", "none", "none", "none");
    Ok(vec![
        scene("a blocked member", cast.open, cast.blocked, blocked)?,
        scene("a member of a closed site", cast.closed, cast.shut_out, closed)?,
        scene("an unknown member", cast.open, cast.stranger, unknown)?,
        Scene {
            title: "a malformed message",
            id: new_id()?,
            method: Method::Join,
            body: br#"{ "siteId": "the one with the blue door" }"#.to_vec(),
            token: None,
            subject: None,
            expected: Expected::new("400 INVALID_ARGUMENT siteId", "-", "-", "none; dead letter: malformed, /siteId"),
        },
    ])
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
