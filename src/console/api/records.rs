//! `requests` and `members`: what is on record. A search goes only where the key of the records leads.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::console::announced::explain;
use crate::console::cursor::{cursor_of, edge_of};
use crate::console::explained::Explained;
use crate::console::failure::{Failure, Problem};
use crate::console::letters::Pile;
use crate::console::member_letters::MemberLetters;
use crate::console::parts::Console;
use crate::console::timeline::{self, Now, Timeline};
use crate::domain::{MemberId, RequestId, SiteId};
use crate::postgres::{EXAMINED, Edge, Found, Search};
use crate::wire::instant;

const DEFAULT_LIMIT: u32 = 50;
const MOST: u32 = 200;

/// What is looked for: a request id, or what happened at one site.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::console) struct Look {
    /// A request id; the other filters then do not count, but for `site`.
    pub(in crate::console) id: Option<String>,
    /// A site; needed unless `id` is given.
    pub(in crate::console) site: Option<String>,
    /// A member of that site.
    pub(in crate::console) member: Option<String>,
    /// A verdict (`joined`, `already_joined`, `left`, `already_left`, `rejected`), a code or a reason of one.
    pub(in crate::console) verdict: Option<String>,
    /// Decided at this time or later, in RFC 3339.
    pub(in crate::console) since: Option<String>,
    /// Decided before this time, in RFC 3339.
    pub(in crate::console) until: Option<String>,
    /// `next` of the answer before.
    pub(in crate::console) cursor: Option<String>,
    /// Most requests in the answer, 1 to 200.
    pub(in crate::console) limit: Option<u32>,
}

/// Where one request is looked for.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct At {
    /// Only at this site.
    site: Option<String>,
}

/// Where a timeline begins.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::console) struct Begin {
    /// `next` of the answer before; without it, the newest.
    pub(in crate::console) cursor: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requests {
    /// Newest ids first.
    pub requests: Vec<Explained>,
    /// Where to go on, as `cursor`: more may match. Each call looks through a bounded part of a site's records, so an
    /// answer may hold nothing and still lead on.
    pub next: Option<String>,
    /// How many records one call looks through at most.
    pub examined_at_most: i64,
}

/// Searches the recorded requests.
#[utoipa::path(
    get, path = "/api/v1/requests", tag = "viewer", params(Look),
    responses((status = 200, body = Requests), (status = 400, body = Problem))
)]
pub(super) async fn requests(
    State(console): State<Arc<Console>>,
    Query(look): Query<Look>,
) -> Result<Json<Requests>, Failure> {
    looked_for(&console, &look).await.map(Json)
}

/// Explains a request: one answer for each requester who used the id.
#[utoipa::path(
    get, path = "/api/v1/requests/{id}", tag = "viewer", params(("id" = String, Path, description = "The request's id."), At),
    responses((status = 200, body = Vec<Explained>), (status = 404, body = Problem))
)]
pub(super) async fn request(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    Query(at): Query<At>,
) -> Result<Json<Vec<Explained>>, Failure> {
    let look = Look { id: Some(id.clone()), site: at.site, ..Look::default() };
    let found = looked_for(&console, &look).await?.requests;
    if found.is_empty() {
        return Err(Failure::Missing(console.unanswered(&id).in_full()));
    }
    Ok(Json(found))
}

/// What happened to a member: requests, record, event, cache.
#[utoipa::path(
    get, path = "/api/v1/members/{site}/{member}/timeline", tag = "viewer",
    params(
        ("site" = String, Path, description = "The site."),
        ("member" = String, Path, description = "The member."),
        Begin
    ),
    responses((status = 200, body = Timeline), (status = 400, body = Problem))
)]
pub(super) async fn timeline_of(
    State(console): State<Arc<Console>>,
    Path((site, member)): Path<(String, String)>,
    Query(begin): Query<Begin>,
) -> Result<Json<Timeline>, Failure> {
    told(&console, &site, &member, &begin).await.map(Json)
}

/// The timeline, for pages and API alike.
pub(in crate::console) async fn told(
    console: &Console,
    site: &str,
    member: &str,
    Begin { cursor }: &Begin,
) -> Result<Timeline, Failure> {
    let (whose, below) = ((SiteId(guid(site)?), MemberId(guid(member)?)), below(cursor.as_ref())?);
    let mut profiles = console.profiles.lock().await;
    let mut store = console.store.session().await;
    let told = timeline::timeline(&mut store, &mut profiles, whose, below).await?;
    let seen = console.letters.seen(Pile::Dead);
    Ok(Timeline { dead_letters: MemberLetters::among(seen.as_deref(), whose.0, whose.1), ..told })
}

/// The member that a request was about, as it is now; none if it named none.
pub(in crate::console) async fn now_of(console: &Console, request: &Explained) -> Result<Option<Now>, Failure> {
    let Some(member) = &request.member_id else { return Ok(None) };
    let (site, member) = (SiteId(guid(&request.site_id)?), MemberId(guid(member)?));
    let mut profiles = console.profiles.lock().await;
    let mut store = console.store.session().await;
    Ok(Some(timeline::now(&mut store, &mut profiles, site, member).await?))
}

/// Searches, for pages and API alike.
pub(in crate::console) async fn looked_for(console: &Console, look: &Look) -> Result<Requests, Failure> {
    let site = given(look.site.as_ref()).map(guid).transpose()?.map(SiteId);
    if let Some(id) = given(look.id.as_ref()) {
        let id = RequestId::parse(id).ok_or_else(|| invalid("id has 1 to 128 visible ASCII characters"))?;
        let mut store = console.store.session().await;
        let found = store.recorded(&id, site).await?;
        let records: Vec<_> = found.iter().map(|record| (&id, record)).collect();
        let requests = explain(&mut store, &records).await;
        return Ok(Requests { requests, next: None, examined_at_most: EXAMINED });
    }
    let site = site
        .ok_or_else(|| invalid("give id, or site: only the records' key is searched, and it begins with the site"))?;
    let time = |name: &str, text: Option<&String>| {
        let parsed =
            given(text).map(|text| instant::parse(text).ok_or_else(|| invalid(&format!("{name} is no RFC 3339 time"))));
        parsed.transpose()
    };
    let search = Search {
        site,
        member: given(look.member.as_ref()).map(guid).transpose()?.map(MemberId),
        verdict: given(look.verdict.as_ref()).map(ToOwned::to_owned),
        since: time("since", look.since.as_ref())?,
        until: time("until", look.until.as_ref())?,
        below: below(look.cursor.as_ref())?,
        limit: look.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MOST),
    };
    Ok(Requests::new(&console.store.session().await.search(&search).await?))
}

impl Requests {
    /// What a search found.
    #[must_use]
    pub fn new(found: &Found) -> Self {
        Self {
            requests: found.records.iter().map(|(id, record)| Explained::new(id, record)).collect(),
            next: found.edge.as_ref().map(cursor_of),
            examined_at_most: EXAMINED,
        }
    }
}

/// A field of a form that was left empty says nothing.
fn given(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

fn guid(text: &str) -> Result<Uuid, Failure> {
    let parsed = (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten();
    parsed.ok_or_else(|| invalid("site and member are GUIDs like 7d368843-6f0c-4037-8d0e-b7e36a8a0c32"))
}

fn below(cursor: Option<&String>) -> Result<Option<Edge>, Failure> {
    let edge = |cursor| edge_of(cursor).ok_or_else(|| invalid("cursor is `next` of the answer before"));
    given(cursor).map(edge).transpose()
}

fn invalid(text: &str) -> Failure {
    Failure::Invalid(text.to_owned())
}
