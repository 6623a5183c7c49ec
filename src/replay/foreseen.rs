//! A dry run as it is shown: what a letter would come to if it were replayed now. Nothing that comes out of here holds
//! personal data, unless that is asked for.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::way_back::{Ready, WayBack};
use crate::config::Config;
use crate::domain::{Change, Member};
use crate::join::rehearsal::{Effect, Foreseen, rehearse};
use crate::postgres::{Session, StoreError};
use crate::rabbitmq::dead_letters::{Letter, shown_id, without_personal_data};
use crate::wire::event::event_id;
use crate::wire::instant;
use crate::wire::member::{fields, mask};

/// What a letter would come to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The letter.
    pub id: String,
    /// The request id under which it would be sent.
    pub request_id: Option<String>,
    /// One word: a verdict, `conflict`, `later`, `malformed`, `busy`, `permanent`, or `not_replayed`.
    pub outcome: &'static str,
    /// The code of a rejection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// The reason of a rejection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Whether that verdict stands recorded already, so that nothing more would be done.
    pub repeated: bool,
    /// What it means, in words.
    pub why: String,
    /// The member's record as it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// As it would stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// The event that would be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Value>,
}

/// Foresees what letters come to. Writes nothing anywhere.
pub struct Preview {
    patience: u32,
    lease: Duration,
    unmasked: bool,
}

impl Preview {
    /// Sets it up; with personal data only if `unmasked`.
    #[must_use]
    pub fn new(config: &Config, unmasked: bool) -> Self {
        Self { patience: config.join.unknown_member_retries, lease: config.announce.lease, unmasked }
    }

    /// What a letter would come to as it is.
    ///
    /// # Errors
    /// If PostgreSQL does not serve.
    pub async fn letter(&self, store: &mut Session, letter: &Letter, way_back: &WayBack) -> Result<Shown, StoreError> {
        match way_back.replacement(letter) {
            Ok(ready) => self.request(store, &letter.id, &ready).await,
            Err(why) => Ok(Shown::not_replayed(letter, why)),
        }
    }

    /// What a replacement would come to.
    ///
    /// # Errors
    /// If PostgreSQL does not serve.
    pub async fn request(&self, store: &mut Session, letter: &str, ready: &Ready) -> Result<Shown, StoreError> {
        let foreseen = self.foresee(store, ready).await?;
        Ok(self.show(letter, ready, &foreseen))
    }

    /// The same, not yet put into words.
    pub(super) async fn foresee(&self, store: &mut Session, ready: &Ready) -> Result<Foreseen, StoreError> {
        rehearse(store, &ready.request, self.patience, self.lease).await
    }

    pub(super) fn show(&self, letter: &str, ready: &Ready, foreseen: &Foreseen) -> Shown {
        let mut shown = Shown {
            id: letter.to_owned(),
            request_id: Some(shown_id(ready.request.id.as_str())),
            outcome: "not_replayed",
            code: None,
            reason: None,
            repeated: false,
            why: String::new(),
            before: None,
            after: None,
            event: None,
        };
        let (outcome, why) = match foreseen {
            Foreseen::Verdict(effect) => {
                self.add_effect(&mut shown, effect);
                (effect.verdict.as_str(), meaning(effect))
            }
            Foreseen::Conflict => ("conflict", "a dead letter again: its id was used for another request".to_owned()),
            Foreseen::Later => {
                ("later", "it would wait on the retry ladder, and be rejected if its member stays unknown".to_owned())
            }
            Foreseen::Malformed(malformed) => {
                let malformed = malformed.to_string();
                ("malformed", format!("a dead letter again: {}", without_personal_data(&malformed)))
            }
            Foreseen::Refused(word) => ("not_replayed", format!("it does not prove who asks: {word}")),
            Foreseen::NoKeys => ("not_replayed", "the key that its token names is not known yet".to_owned()),
            Foreseen::Busy(why) => ("busy", format!("it cannot be told now: {why}")),
            Foreseen::Permanent(why) => ("permanent", format!("a dead letter again: {why}")),
        };
        (shown.outcome, shown.why) = (outcome, why);
        shown
    }

    fn add_effect(&self, shown: &mut Shown, effect: &Effect) {
        let Effect { verdict, repeated, before, after, change } = effect;
        (shown.code, shown.reason, shown.repeated) = (verdict.code(), verdict.reason(), *repeated);
        shown.before = before.as_ref().map(|member| self.record(member));
        shown.after = after.as_ref().map(|member| self.record(member));
        shown.event = change.as_ref().filter(|change| change.event_due).map(|change| event(change, before.as_ref()));
    }

    fn record(&self, member: &Member) -> Value {
        let fields = fields(member).unwrap_or_default();
        let shown = if self.unmasked { fields } else { mask(fields) };
        json!({ "eventSequence": member.event_sequence.to_string(), "deleted": member.deleted, "member": shown })
    }
}

impl Shown {
    /// Of a letter that cannot be replayed.
    pub(super) fn not_replayed(letter: &Letter, why: String) -> Self {
        Self {
            id: letter.id.clone(),
            request_id: letter.incoming.message_id.as_deref().map(shown_id),
            outcome: "not_replayed",
            code: None,
            reason: None,
            repeated: false,
            why,
            before: None,
            after: None,
            event: None,
        }
    }
}

fn meaning(effect: &Effect) -> String {
    if effect.repeated {
        return "this verdict stands recorded: it is answered again, and nothing more is done".to_owned();
    }
    let event = if effect.change.as_ref().is_some_and(|change| change.event_due) { "one event" } else { "no event" };
    let changed = if effect.before == effect.after { "the record stays as it is" } else { "the record changes" };
    format!("a new verdict: {changed}, {event} is sent")
}

/// Id, sequence, and which fields of the member it tells differ from before.
fn event(change: &Change, before: Option<&Member>) -> Value {
    let id: Uuid = event_id(change.site, change.member_id, change.event_sequence);
    let of = |member: Option<&Member>| member.and_then(|member| fields(member).ok()).unwrap_or_default();
    let (was, is) = (of(before), of(change.member.as_ref()));
    let changed: Vec<&String> =
        is.iter().filter(|(name, value)| was.get(*name) != Some(*value)).map(|(name, _)| name).collect();
    json!({
        "id": id,
        "entityId": change.member_id.to_string(),
        "entityEventSequence": change.event_sequence.to_string(),
        "eventTime": change.member.as_ref().map(|member| instant::text(member.updated_date)),
        "changedFields": changed,
    })
}
