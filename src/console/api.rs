//! The API: what the console shows and does, for scripts. Each route is described where it is registered, so that none is
//! served that the `OpenAPI` document does not know.

mod actions;
mod controls;
mod letters;
mod overview;
mod records;
mod repair;

use std::sync::Arc;

use axum::Router;
use utoipa::openapi::security::{Http, HttpAuthScheme, OpenIdConnect, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::actions::Action;
pub(super) use self::actions::{Before, older};
pub use self::records::Requests;
pub(super) use self::records::{Begin, Look, looked_for, now_of, told};
pub(super) use self::repair::careful;
use super::parts::Console;
use crate::config::ConsoleRole;

/// The routes that need this role and no more.
pub(super) fn routes(role: ConsoleRole) -> Router<Arc<Console>> {
    let (router, _) = described(role).split_for_parts();
    // The document itself tells nothing of anybody; it asks for a role like everything that is no probe.
    match role {
        ConsoleRole::Viewer => router.route("/api/v1/openapi.json", axum::routing::get(openapi)),
        ConsoleRole::Operator | ConsoleRole::Admin => router,
    }
}

/// The `OpenAPI` document, as it is served and as `docs/openapi.json` holds it.
#[must_use]
pub fn document() -> String {
    let mut document = frame();
    for role in ConsoleRole::ALL {
        let (_, of_role) = described(role).split_for_parts();
        document.merge(of_role);
    }
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

fn described(role: ConsoleRole) -> OpenApiRouter<Arc<Console>> {
    let router = OpenApiRouter::with_openapi(frame());
    match role {
        ConsoleRole::Viewer => router
            .routes(routes!(overview::overview))
            .routes(routes!(controls::controls))
            .routes(routes!(records::requests))
            .routes(routes!(records::request))
            .routes(routes!(records::timeline_of))
            .routes(routes!(letters::dead_letters))
            .routes(routes!(repair::replay_state))
            .routes(routes!(letters::dead_letter)),
        ConsoleRole::Operator => router
            .routes(routes!(controls::set))
            .routes(routes!(controls::release))
            .routes(routes!(controls::drain))
            .routes(routes!(controls::try_now))
            .routes(routes!(letters::read))
            .routes(routes!(repair::dry_run))
            .routes(routes!(repair::replay))
            .routes(routes!(repair::stop))
            .routes(routes!(repair::resume))
            .routes(routes!(repair::discard))
            .routes(routes!(repair::restore))
            .routes(routes!(repair::edit)),
        ConsoleRole::Admin => router.routes(routes!(letters::unmask)).routes(routes!(actions::actions)),
    }
}

fn frame() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Join Community: console")
        .version("v1")
        .description(Some(
            "What operators see and do. Every call needs a token of `http.tokens` or of the issuer `http.oidc_issuer`, \
             unless the server listens on the loopback and neither is configured. A failure is an object with `error` \
             and `message`.",
        ))
        .build();
    let mut components = Components::new();
    components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let issuer = OpenIdConnect::with_description(
        "https://issuer.example/.well-known/openid-configuration",
        "The issuer is the one of `http.oidc_issuer`. Its token is sent as `authorization: Bearer …`.",
    );
    components.add_security_scheme("issuer", SecurityScheme::OpenIdConnect(issuer));
    let none: [&str; 0] = [];
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([SecurityRequirement::new("token", none), SecurityRequirement::new("issuer", none)]))
        .build()
}

async fn openapi() -> impl axum::response::IntoResponse {
    ([(axum::http::header::CONTENT_TYPE, "application/json")], document())
}
