//! When what a request changed was announced, as `explain`, its page and a timeline tell it. Apart from what stands recorded of
//! the request itself: it is looked up elsewhere, and not always found.

use super::explained::{Debt, Explained};
use crate::domain::RequestId;
use crate::postgres::{Announced, Receipt, RecordedRequest, Session};
use crate::telemetry::chain;
use crate::wire::instant;

/// Explains recorded requests, and looks up when what they changed was announced. Where that cannot be read, it is said, and
/// everything else is told.
pub async fn explain(store: &mut Session, records: &[(&RequestId, &RecordedRequest)]) -> Vec<Explained> {
    let changes: Vec<_> = records.iter().filter_map(|(_, record)| record.change()).collect();
    let looked = store.announced(&changes).await;
    let unread = looked.as_ref().err().map(|error| format!("not known: {}", chain(error)));
    let mut announced = looked.unwrap_or_default().into_iter();
    let explained = records.iter().map(|(id, record)| {
        let explained = Explained::new(id, record);
        match record.change().map(|_| announced.next()) {
            Some(Some(announced)) => explained.announced(&announced),
            Some(None) => Explained { announcement_gap: unread.clone(), ..explained },
            None => explained,
        }
    });
    explained.collect()
}

impl Explained {
    fn announced(self, announced: &Announced) -> Self {
        let at = |receipt: Option<Receipt>| receipt.map(|receipt| instant::text(receipt.at));
        let sequence = |receipt: Option<Receipt>| receipt.map(|receipt| receipt.event_sequence.to_string());
        let gap = announced.among.map(|among| gap(among, announced.is_older));
        Self {
            confirmed_at: at(announced.event),
            confirmed_sequence: sequence(announced.event),
            cached_at: at(announced.cache),
            cached_sequence: sequence(announced.cache),
            announcement_gap: gap,
            ..self
        }
    }

    /// When the event of its change was confirmed, as a person reads it; none if it changed nothing.
    #[must_use]
    pub fn confirmed_in_words(&self) -> Option<String> {
        let owed = self.owed.as_ref().filter(|debt| debt.event);
        self.done_in_words(self.confirmed_at.as_deref(), self.confirmed_sequence.as_deref(), owed)
    }

    /// When the cache took what its change made of the member, likewise.
    #[must_use]
    pub fn cached_in_words(&self) -> Option<String> {
        let owed = self.owed.as_ref().filter(|debt| debt.cache);
        self.done_in_words(self.cached_at.as_deref(), self.cached_sequence.as_deref(), owed)
    }

    fn done_in_words(&self, at: Option<&str>, sequence: Option<&str>, owed: Option<&Debt>) -> Option<String> {
        self.event_id.as_ref()?;
        let gap = self.announcement_gap.as_deref().unwrap_or("not looked up");
        let owed = owed.map(|debt| debt.event_sequence.as_str());
        Some(match (at, owed) {
            (Some(at), _) => format!("{at}{}", self.folded_into(sequence)),
            (None, Some(owed)) if self.event_sequence.as_deref() == Some(owed) => "not yet: it is owed".to_owned(),
            (None, Some(owed)) => format!("{gap}; perhaps folded into the one of sequence {owed}, which is owed"),
            (None, None) => gap.to_owned(),
        })
    }

    /// What is to be said of a change that was announced as part of a newer one.
    pub(super) fn folded_into(&self, sequence: Option<&str>) -> String {
        let newer = sequence.filter(|sequence| self.event_sequence.as_deref() != Some(*sequence));
        newer.map(|newer| format!(", folded into the one of sequence {newer}")).unwrap_or_default()
    }
}

/// Why something is not told, unless it is owed.
fn gap(among: u64, is_older: bool) -> String {
    if is_older {
        "not on record: it was decided before the first announcement that is".to_owned()
    } else {
        format!("not found among the {among} announcements around it")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use time::macros::datetime;
    use uuid::Uuid;

    use crate::console::explained::{Debt, Explained};
    use crate::domain::{Caller, IdentityType, MemberId, Method, RequestId, Requester, SiteId, Verdict};
    use crate::postgres::{Announced, Receipt, RecordedRequest};

    /// A join that made sequence 17.
    pub(in crate::console) fn joined() -> Explained {
        let member = Uuid::from_u128(7);
        let record = RecordedRequest {
            site: SiteId(Uuid::nil()),
            requester: Requester::producer("member-gateway"),
            method: Method::Join,
            verdict: Verdict::Joined,
            target: Some(MemberId(member)),
            caller: Caller { identity_type: IdentityType::Member, id: member },
            elevated: false,
            proof: "producer".to_owned(),
            event_sequence: Some(17),
            received_at: datetime!(2026-11-24 10:00:00 UTC),
            decided_at: datetime!(2026-11-24 10:00:01 UTC),
            traceparent: None,
            rule_version: 1,
            owed: None,
        };
        Explained::new(&RequestId::parse("first").unwrap(), &record)
    }

    /// Its event confirmed with this sequence, and nothing known of the cache.
    pub(in crate::console) fn confirmed(event_sequence: i64) -> Explained {
        let event = Some(Receipt { at: datetime!(2026-11-24 10:00:02.5 UTC), event_sequence });
        joined().announced(&Announced { event, cache: None, among: Some(12), is_older: false })
    }

    #[test]
    fn an_announcement_is_told_with_the_sequence_of_the_event_that_a_change_was_folded_into() {
        let words = |sequence| confirmed(sequence).confirmed_in_words().unwrap();
        assert_eq!(words(17), "2026-11-24T10:00:02.500Z");
        assert_eq!(words(18), "2026-11-24T10:00:02.500Z, folded into the one of sequence 18");
    }

    #[test]
    fn what_is_not_found_is_owed_or_told_with_how_far_was_looked() {
        let found = confirmed(17);
        assert_eq!(found.cached_in_words().unwrap(), "not found among the 12 announcements around it");
        let owing = |sequence: &str| {
            let event_sequence = sequence.to_owned();
            let owed = Some(Debt { event_sequence, event: false, cache: true, attempts: 1, age_seconds: 4 });
            Explained { owed, ..confirmed(17) }.cached_in_words().unwrap()
        };
        assert_eq!(owing("17"), "not yet: it is owed");
        assert!(owing("18").ends_with("perhaps folded into the one of sequence 18, which is owed"));
        let older = joined().announced(&Announced { event: None, cache: None, among: Some(5), is_older: true });
        assert!(older.confirmed_in_words().unwrap().starts_with("not on record"));
    }

    #[test]
    fn of_a_request_that_changed_nothing_nothing_is_announced() {
        let changeless = Explained { event_id: None, ..joined() };
        assert_eq!((changeless.confirmed_in_words(), changeless.cached_in_words()), (None, None));
    }
}
