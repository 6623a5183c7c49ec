//! `members timeline`: what happened to a member, as the console shows it.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::cache::Profiles;
use crate::cli::Context;
use crate::cli::print::visible;
use crate::console::{Record, Timeline, letters_of, timeline};
use crate::domain::{MemberId, SiteId};
use crate::postgres::{Edge, Role, Session};

/// Tells what happened to a member, from the newest on or below a place.
pub(super) async fn run(whose: (SiteId, MemberId), below: Option<Edge>, context: &Context) -> anyhow::Result<ExitCode> {
    let mut store = Session::new(&context.config.database, Role::Tool)?;
    let mut profiles = Profiles::new(&context.config.cache)?;
    let told = timeline(&mut store, &mut profiles, whose, below).await?;
    let dead_letters = Box::pin(letters_of(&context.config.broker, whose.0, whose.1)).await;
    let timeline = Timeline { dead_letters, ..told };
    context.output.result(&timeline, text)?;
    Ok(ExitCode::SUCCESS)
}

fn text(timeline: &Timeline) -> String {
    let mut text = format!("Member {} of site {}", timeline.member_id, timeline.site_id);
    // Writing to a String cannot fail.
    let mut line = |name: &str, value: &str| write!(text, "\n  {name:<10} {}", visible(value)).unwrap_or_default();
    line("record", &timeline.record.as_ref().map_or_else(|| "there is none".to_owned(), Record::in_words));
    line("cache", &timeline.cache.beside(timeline.record.as_ref()));
    line("owed", &timeline.owed.as_ref().map_or_else(|| "nothing: the world knows".to_owned(), ToString::to_string));
    line("letters", &timeline.dead_letters.in_words());
    for letter in &timeline.dead_letters.letters {
        let [seen, request] = [&letter.first_seen, &letter.request_id].map(|text| text.as_deref().unwrap_or("-"));
        line("letter", &format!("{seen}  {request}  {}, {}", letter.id, letter.in_words()));
    }
    for step in &timeline.steps {
        line(step.what, &format!("{}  {}  {}", step.at, step.request_id, step.text));
    }
    let next = timeline.next.as_ref().map(|next| format!(": --cursor '{next}'"));
    line("end", &format!("{}{}", timeline.end(), next.unwrap_or_default()));
    text
}
