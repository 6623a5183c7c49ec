//! What operators did: the newest, and from there page by page as far back as the record goes.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::IntoResponse as _;
use maud::html;

use super::Page;
use super::layout::{id, page};
use crate::console::access::Operator;
use crate::console::api::{Before, older};
use crate::console::parts::Console;

/// The newest of them, or those before one.
pub(super) async fn list(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Query(Before { before }): Query<Before>,
) -> Page {
    let actions = console.actions(before).await?;
    let body = html! {
        h1 { "Actions" }
        @if before.is_some() { p { a href="/actions" { "The newest" } } }
        @if actions.is_empty() { p { "Nothing is on record here." } }
        div class="wide" tabindex="0" role="region" aria-label="Actions of operators" {
            table {
                thead { tr { @for name in ["When", "Who", "Action", "Target", "Why", "Outcome"] { th scope="col" { (name) } } } }
                tbody {
                    @for action in &actions {
                        tr {
                            td { time { (action.at) } }
                            td { (action.who) ", " (action.role) }
                            td { (action.action) }
                            td { (id(&action.target)) }
                            td { (action.reason) }
                            td { (action.outcome) }
                        }
                    }
                }
            }
        }
        @if let Some(before) = older(&actions) { p { a href=(format!("/actions?before={before}")) { "Older ones" } } }
    };
    Ok(page("Actions", Some(&operator), &body).into_response())
}
