//! `members show`: one member, for people and for programs, personal data masked; or with it, once it is on record who looks.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use serde::Serialize;
use serde_json::value::RawValue;

use super::append;
use crate::cli::Context;
use crate::cli::print::visible;
use crate::cli::record::Unmask;
use crate::domain::{Json, Member, MemberId, SiteId};
use crate::postgres::{Role, Session};
use crate::wire::instant;
use crate::wire::member::MASKED;

/// A member as programs see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    site_id: String,
    event_sequence: String,
    member: Box<RawValue>,
}

/// Shows a member.
pub(super) async fn run(site: SiteId, id: MemberId, unmask: &Unmask, context: &Context) -> anyhow::Result<ExitCode> {
    let mut store = Session::new(&context.config.database, Role::Tool)?;
    let Some(found) = store.member(site, id).await? else { bail!("site {site} has no member {id}") };
    if found.deleted {
        bail!("member {id} of site {site} was deleted; only its sequence is left, {}", found.event_sequence);
    }
    unmask.recorded("members.unmask", &format!("{site}/{id}"), "shown", context).await?;
    let mut json = Vec::new();
    append(&found, unmask, &mut json)?;
    let shown = Shown {
        site_id: site.to_string(),
        event_sequence: found.event_sequence.to_string(),
        member: RawValue::from_string(String::from_utf8(json)?)?,
    };
    context.output.result(&shown, |_| text(site, &found, unmask.unmask))?;
    Ok(ExitCode::SUCCESS)
}

fn text(site: SiteId, member: &Member, unmasked: bool) -> String {
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
    let mut personal = |name: &str, value: Option<String>| match value {
        None => line(name, "-"),
        Some(value) => line(name, if unmasked { &value } else { MASKED }),
    };
    personal("last login", member.last_login_date.map(instant::text));
    let verified = match member.login_email_verified {
        Some(true) => " (verified)",
        Some(false) => " (not verified)",
        None => "",
    };
    personal("login e-mail", member.login_email.as_ref().map(|email| format!("{email}{verified}")));
    personal("contact id", member.contact_id.map(|id| id.to_string()));
    let json = |json: &Option<Json>| json.as_ref().map(|json| json.0.to_string());
    personal("contact", json(&member.contact));
    personal("profile", json(&member.profile));
    if member.extra.is_some() {
        personal("other fields", json(&member.extra));
    }
    text
}
