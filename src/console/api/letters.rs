//! `dead-letters`: what the last reading found, a new reading, and one letter unmasked.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::config::ConsoleRole;
use crate::console::access::Operator;
use crate::console::actions::Deed;
use crate::console::failure::{Failure, Problem};
use crate::console::foreign::Foreign;
use crate::console::letters::{Pile, Snapshot, is_id};
use crate::console::oldest::{missing, missing_in};
use crate::console::parts::Console;
use crate::console::repair::Moving;

/// What is known of the dead letters.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeadLetters {
    /// How many lie there, as last counted.
    waiting: f64,
    /// What the last reading found; absent if nobody had them read since the worker started.
    read: Option<Snapshot>,
    /// Letters that are being moved to the discarded ones or back, or were last; absent if none were yet.
    moving: Option<Moving>,
}

/// Which letters are meant.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Of {
    /// `true`: those that were discarded and can still be restored, and not the dead letters.
    discarded: Option<bool>,
}

impl Of {
    fn pile(self) -> Pile {
        if self.discarded.unwrap_or_default() { Pile::Discarded } else { Pile::Dead }
    }
}

/// Why something is done.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Why {
    /// In your own words; it is recorded.
    reason: String,
}

/// What is known of the dead letters, without reading them.
#[utoipa::path(
    get, path = "/api/v1/dead-letters", tag = "viewer", params(Of), responses((status = 200, body = DeadLetters))
)]
pub(super) async fn dead_letters(State(console): State<Arc<Console>>, Query(of): Query<Of>) -> Json<DeadLetters> {
    Json(known(&console, of.pile()))
}

/// Reads the oldest dead letters, 2,000 at most, and puts each back in its place. Meanwhile no other command sees them.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/reading", tag = "operator", params(Of),
    responses(
        (status = 200, body = DeadLetters), (status = 202, description = "It takes longer; look again."),
        (status = 409, body = Problem)
    )
)]
pub(super) async fn read(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Query(of): Query<Of>,
) -> Result<Response, Failure> {
    let read = console.read_letters(&operator, of.pile()).await?;
    let status = if read { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(known(&console, of.pile()))).into_response())
}

/// One of them, tokens and personal data masked. For an operator one that is not kept is read from where it lies.
#[utoipa::path(
    get, path = "/api/v1/dead-letters/{id}", tag = "viewer",
    params(("id" = String, Path, description = "Its id, as the list names it."), Of),
    responses((status = 200, body = Object), (status = 404, body = Problem), (status = 409, body = Problem))
)]
pub(super) async fn dead_letter(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(of): Query<Of>,
) -> Result<Json<Value>, Failure> {
    console.letter(&operator, of.pile(), &id, &headers).await.map(Json)
}

/// One of them with its personal data; tokens stay masked. Recorded.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/{id}/unmask", tag = "admin", request_body = Why,
    params(("id" = String, Path, description = "Its id, as the list names it.")),
    responses((status = 200, body = Object), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn unmask(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<String>,
    Json(why): Json<Why>,
) -> Result<Json<Value>, Failure> {
    console.unmask(&operator, &id, &why.reason).await.map(Json)
}

fn known(console: &Console, pile: Pile) -> DeadLetters {
    let read = console.letters.seen(pile).map(|seen| (*seen).clone());
    DeadLetters { waiting: console.letters_waiting(pile), read, moving: console.repair.moving() }
}

impl Console {
    /// How many lie there, as last counted.
    pub(in crate::console) fn letters_waiting(&self, pile: Pile) -> f64 {
        let now = self.live.now();
        now.queues.iter().find(|depth| depth.queue == pile.queue()).map_or(0.0, |depth| depth.ready)
    }

    /// Has them read; whether that is done already.
    pub(in crate::console) async fn read_letters(&self, operator: &Operator, pile: Pile) -> Result<bool, Failure> {
        let read = self.letters.read(pile).await;
        let outcome = match &read {
            Ok(Some(snapshot)) => format!("read {} of {}", snapshot.read, snapshot.total),
            Ok(None) => "reading".to_owned(),
            Err(failure) => format!("failed: {}", failure.message()),
        };
        let deed = Deed { action: "dead_letters.read", target: pile.queue(), outcome: &outcome, ..Deed::default() };
        self.note(operator, deed).await;
        read.map(|read| read.is_some())
    }

    /// One of them, masked: as it was read last if it is kept, or else from where it lies, for whoever may have them read.
    pub(in crate::console) async fn letter(
        &self,
        operator: &Operator,
        pile: Pile,
        id: &str,
        headers: &HeaderMap,
    ) -> Result<Value, Failure> {
        if let Some(kept) = self.letters.seen(pile).and_then(|seen| seen.letter(id).cloned()) {
            return Ok(kept);
        }
        if !is_id(id) {
            return Err(missing_in(pile));
        }
        // Any page can have a browser open another, as often as it likes; the letters would be out of their queue for it.
        if operator.role < ConsoleRole::Operator || Foreign::site(headers).is_some() {
            return Err(not_kept(pile, id));
        }
        let found = self.letters.masked(pile, id).await;
        let outcome = match &found {
            Ok(Some(_)) => "shown".to_owned(),
            Ok(None) => "not found".to_owned(),
            Err(failure) => format!("failed: {}", failure.message()),
        };
        let target = format!("{}/{id}", pile.queue());
        let deed = Deed { action: "dead_letters.read", target: &target, outcome: &outcome, ..Deed::default() };
        self.note(operator, deed).await;
        found?.ok_or_else(|| missing_in(pile))
    }

    /// One of them with its personal data, once that is on record.
    pub(in crate::console) async fn unmask(
        &self,
        operator: &Operator,
        id: &str,
        reason: &str,
    ) -> Result<Value, Failure> {
        if reason.trim().is_empty() {
            return Err(Failure::Invalid("say why: a reason is recorded with it".to_owned()));
        }
        let found = self.letters.unmasked(id).await;
        let outcome = match &found {
            Ok(Some(_)) => "shown",
            Ok(None) => "not found",
            Err(_) => "failed",
        };
        // What is not on record is not shown.
        self.record(operator, Deed { action: "dead_letters.unmask", target: id, reason, outcome }).await?;
        found?.ok_or_else(missing)
    }
}

fn not_kept(pile: Pile, id: &str) -> Failure {
    Failure::Missing(format!(
        "it is not among those that were read last and are kept; role operator reads it by opening it here, and `{} {id}` \
         at the command line",
        pile.command()
    ))
}
