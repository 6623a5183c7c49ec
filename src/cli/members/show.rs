//! `members show`: one member, for people and for programs.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::Context;
use crate::cli::print::visible;
use crate::domain::{Json, Member, MemberId, SiteId};
use crate::postgres::{Role, Session};
use crate::wire::{instant, member};

/// A member as programs see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    site_id: String,
    event_sequence: String,
    member: Box<RawValue>,
}

/// Shows a member.
pub(super) async fn run(site: SiteId, id: MemberId, context: &Context) -> anyhow::Result<ExitCode> {
    let mut store = Session::new(&context.config.database, Role::Tool)?;
    let Some(found) = store.member(site, id).await? else { bail!("site {site} has no member {id}") };
    if found.deleted {
        bail!("member {id} of site {site} was deleted; only its sequence is left, {}", found.event_sequence);
    }
    let mut json = Vec::new();
    member::write(&found, &mut json);
    let shown = Shown {
        site_id: site.to_string(),
        event_sequence: found.event_sequence.to_string(),
        member: RawValue::from_string(String::from_utf8(json)?)?,
    };
    context.output.result(&shown, |_| text(site, &found))?;
    Ok(ExitCode::SUCCESS)
}

fn text(site: SiteId, member: &Member) -> String {
    let mut text = format!("Member {} of site {site}", member.id);
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        write!(text, "\n  {name:<16} {}", visible(value)).unwrap_or_default();
    };
    line("status", member.status.as_str());
    line("privacy status", member.privacy_status.as_str());
    line("activity status", member.activity_status.as_str());
    line("profile shown", if member.is_public() { "yes" } else { "no" });
    line("event sequence", &member.event_sequence.to_string());
    line("created", &instant::text(member.created_date));
    line("updated", &instant::text(member.updated_date));
    line("last login", &member.last_login_date.map_or_else(|| "-".to_owned(), instant::text));
    let verified = match member.login_email_verified {
        Some(true) => " (verified)",
        Some(false) => " (not verified)",
        None => "",
    };
    line(
        "login e-mail",
        &member.login_email.as_ref().map_or_else(|| "-".to_owned(), |email| format!("{email}{verified}")),
    );
    line("contact id", &member.contact_id.map_or_else(|| "-".to_owned(), |id| id.to_string()));
    let json = |json: &Option<Json>| json.as_ref().map_or("-", |json| &json.0).to_owned();
    line("contact", &json(&member.contact));
    line("profile", &json(&member.profile));
    if member.extra.is_some() {
        line("other fields", &json(&member.extra));
    }
    text
}
