//! The steps of one request on its member's timeline. Apart from the timeline, which orders those of all requests.

use serde::Serialize;
use utoipa::ToSchema;

use super::explained::Explained;
use crate::postgres::Owed;

/// One step.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// When; of an `event` that is not known to be confirmed, since when it was owed.
    pub at: String,
    /// `received`, `decided`, `event` or `cached`.
    pub what: &'static str,
    /// Of which request.
    pub request_id: String,
    /// The record's sequence then.
    pub event_sequence: Option<String>,
    /// In words.
    pub text: String,
}

/// What happened to a request, the newest first.
pub(super) fn steps(explained: &Explained, owed: Option<Owed>) -> Vec<Step> {
    let step = |at: &str, what, text| Step {
        at: at.to_owned(),
        what,
        request_id: explained.request_id.clone(),
        event_sequence: explained.event_sequence.clone(),
        text,
    };
    let elevated = if explained.elevated { ", elevated" } else { "" };
    let mut steps = Vec::with_capacity(4);
    if let Some(at) = &explained.cached_at {
        let folded = explained.folded_into(explained.cached_sequence.as_deref());
        steps.push(step(at, "cached", format!("the cache has taken it{folded}")));
    }
    if let Some(event) = &explained.event_id {
        let (at, became) = match &explained.confirmed_at {
            Some(at) => (at, format!("confirmed{}", explained.folded_into(explained.confirmed_sequence.as_deref()))),
            None => (&explained.decided_at, format!("owed from then on, {}", since(explained, owed))),
        };
        steps.push(step(at, "event", format!("{event}: {became}")));
    }
    steps.push(step(&explained.decided_at, "decided", explained.verdict_in_words()));
    let text = format!("to {}, from {}{elevated}", explained.method, explained.caller);
    let received = step(&explained.received_at, "received", text);
    steps.push(Step { event_sequence: None, ..received });
    steps
}

/// What became of an event that is not known to be confirmed. The outbox forgets what is done.
fn since(explained: &Explained, owed: Option<Owed>) -> String {
    let newest = owed.filter(|owed| owed.event).map(|owed| owed.event_sequence.to_string());
    if newest.is_some() && newest == explained.event_sequence {
        return "and still is".to_owned();
    }
    let gap = explained.announcement_gap.as_deref().unwrap_or("not looked up");
    let became = match newest {
        None => "announced since or folded into a newer one: no event of this member is owed now".to_owned(),
        Some(newest) => format!("announced since or folded into the one of sequence {newest}, which is owed"),
    };
    format!("{became}; its time is {gap}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Step, steps};
    use crate::console::announced::tests::{confirmed, joined};
    use crate::console::explained::Explained;
    use crate::postgres::Owed;

    fn owed(event_sequence: i64, event: bool) -> Owed {
        Owed { event_sequence, event, cache: true, attempts: 0, age: Duration::ZERO }
    }

    /// The step of the event: when, and the end of what is said.
    fn event(explained: &Explained, owed: Option<Owed>) -> (String, String) {
        let all = steps(explained, owed);
        let Step { at, text, .. } = all.into_iter().find(|step| step.what == "event").unwrap();
        (at, text)
    }

    #[test]
    fn an_event_stands_where_it_was_confirmed_and_says_into_which_it_was_folded() {
        let (at, text) = event(&confirmed(17), None);
        assert_eq!(at, "2026-11-24T10:00:02.500Z");
        assert!(text.ends_with(": confirmed"), "{text}");
        let (_, text) = event(&confirmed(18), None);
        assert!(text.ends_with(": confirmed, folded into the one of sequence 18"), "{text}");
    }

    #[test]
    fn an_event_is_called_announced_only_where_the_outbox_allows_it() {
        let (at, text) = event(&joined(), Some(owed(17, true)));
        assert!(at == joined().decided_at && text.ends_with("and still is"), "{at}: {text}");
        assert!(event(&joined(), Some(owed(18, true))).1.contains("sequence 18, which is owed"));
        for none_is_owed in [None, Some(owed(17, false))] {
            assert!(event(&joined(), none_is_owed).1.contains("no event of this member is owed"));
        }
    }

    #[test]
    fn a_request_has_a_step_of_the_cache_once_that_has_taken_its_change() {
        let words = |explained: &Explained| steps(explained, None).iter().map(|step| step.what).collect::<Vec<_>>();
        assert_eq!(words(&joined()), ["event", "decided", "received"]);
        let cached = Explained { cached_at: Some("2026-11-24T10:00:03.000Z".to_owned()), ..confirmed(17) };
        assert_eq!(words(&cached), ["cached", "event", "decided", "received"]);
    }
}
