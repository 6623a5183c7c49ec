//! `sites`: the gate of a site.

use std::process::ExitCode;

use serde::Serialize;

use super::Context;
use super::record::{Deed, Why};
use super::values;
use crate::domain::{Gate, SiteId};
use crate::postgres::{Role, Session};

/// Commands of `sites`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Set who may make the profile public.
    ///
    /// Closing a site changes no member and no cached profile: who is public stays so, nobody else gets in.
    Set {
        /// The site.
        #[arg(value_parser = values::site)]
        site: SiteId,
        /// `ANYONE`: every member; `NO_ONE`: nobody, each request is rejected.
        #[arg(long, value_name = "ANYONE|NO_ONE", value_parser = values::gate)]
        public_member_candidates: Gate,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Show who may make the profile public.
    Show {
        /// The site.
        #[arg(value_parser = values::site)]
        site: SiteId,
    },
}

/// The gate, shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    site_id: String,
    public_member_candidates: &'static str,
    /// Nobody has set it: the default counts.
    is_default: bool,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<ExitCode> {
    let mut store = Session::new(&context.config.database, Role::Tool)?;
    let (site, gate) = match command {
        Command::Set { site, public_member_candidates: gate, why } => {
            let target = format!("{site}: {}", gate.as_str());
            let deed = Deed { action: "sites.set", target: &target, why: &why.why };
            deed.begins("ordered", context).await?;
            let done = store.set_gate(site, gate).await.map_err(anyhow::Error::from);
            deed.came_to("set", &done, context).await;
            done?;
            (site, Some(gate))
        }
        Command::Show { site } => (site, store.gate(site).await?),
    };
    let shown = Shown {
        site_id: site.to_string(),
        public_member_candidates: gate.unwrap_or_default().as_str(),
        is_default: gate.is_none(),
    };
    context.output.result(&shown, text)?;
    Ok(ExitCode::SUCCESS)
}

fn text(shown: &Shown) -> String {
    let default = if shown.is_default { " (the default: nothing is set for this site)" } else { "" };
    format!("Site {}: public member candidates {}{default}.", shown.site_id, shown.public_member_candidates)
}
