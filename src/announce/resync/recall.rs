//! What caused the changes that nothing is owed for any more: looked up among the recorded requests of the site. Apart, because
//! no index leads there: all requests are read past, for as many members at once as there is room for.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use tokio_util::sync::CancellationToken;

use crate::domain::{Change, MemberId, Origin, SiteId};
use crate::postgres::{Cause, RequestPlace, Session, StoreError};

/// Members whose newest cause is held at once: some 20 MB.
const ROOM: usize = 50_000;

/// What changed the members from one id on last, as far as there is room.
pub(super) struct Recall {
    site: SiteId,
    stop: CancellationToken,
    known: Known,
}

#[derive(Debug)]
struct Known {
    room: usize,
    /// `None` while nothing was read.
    from: Option<MemberId>,
    /// From here on there was no room; `None` if there was for all.
    until: Option<MemberId>,
    causes: BTreeMap<MemberId, (i64, Cause)>,
}

impl Recall {
    /// Knows nothing yet, and reads nothing before it is asked.
    pub(super) fn new(site: SiteId, stop: CancellationToken) -> Self {
        Self { site, stop, known: Known::new(ROOM) }
    }

    /// Completes changes of members from one id on by what caused them, where that is recorded. Answers `false`, and has
    /// done nothing, if it was told to stop meanwhile.
    pub(super) async fn complete(
        &mut self,
        store: &mut Session,
        from: MemberId,
        changes: &mut [Change],
    ) -> Result<bool, StoreError> {
        let Some(last) = changes.iter().filter(|change| is_unrecorded(change)).map(|change| change.member_id).max()
        else {
            return Ok(true);
        };
        if !self.known.covers(from, last) {
            match self.read(store, from).await? {
                Some(known) => self.known = known,
                None => return Ok(false),
            }
        }
        for change in changes.iter_mut().filter(|change| is_unrecorded(change)) {
            self.known.complete(change);
        }
        Ok(true)
    }

    async fn read(&self, store: &mut Session, from: MemberId) -> Result<Option<Known>, StoreError> {
        let mut known = Known { from: Some(from), ..Known::new(self.known.room) };
        let mut place = Some(RequestPlace::default());
        while let Some(after) = place {
            if self.stop.is_cancelled() {
                return Ok(None);
            }
            let causes = store.causes(self.site, &after, (from, known.until)).await?;
            for (member, event_sequence, cause) in causes.found {
                known.keep(member, event_sequence, cause);
            }
            place = causes.next;
        }
        Ok(Some(known))
    }
}

/// Whether a request may have caused it that the outbox has forgotten.
fn is_unrecorded(change: &Change) -> bool {
    change.origin == Origin::Unrecorded
}

impl Known {
    fn new(room: usize) -> Self {
        Self { room, from: None, until: None, causes: BTreeMap::new() }
    }

    fn covers(&self, from: MemberId, last: MemberId) -> bool {
        self.from.is_some_and(|known| known <= from) && self.until.is_none_or(|until| last < until)
    }

    /// Keeps the newest cause of each member. Where there is no room the last members go, and are read when it is their turn.
    fn keep(&mut self, member: MemberId, event_sequence: i64, cause: Cause) {
        if self.until.is_some_and(|until| member >= until) {
            return;
        }
        match self.causes.entry(member) {
            Entry::Vacant(place) => {
                place.insert((event_sequence, cause));
            }
            Entry::Occupied(mut place) => {
                if place.get().0 < event_sequence {
                    place.insert((event_sequence, cause));
                }
            }
        }
        if self.causes.len() > self.room
            && let Some((last, _)) = self.causes.pop_last()
        {
            self.until = Some(last);
        }
    }

    fn complete(&self, change: &mut Change) {
        let Some((event_sequence, cause)) = self.causes.get(&change.member_id) else { return };
        if *event_sequence == change.event_sequence {
            change.origin = cause.method.origin();
            change.caller = Some(cause.caller);
            change.request_id = Some(cause.request_id.clone());
            change.traceparent.clone_from(&cause.traceparent);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::Known;
    use crate::domain::{Caller, IdentityType, MemberId, Method, RequestId};
    use crate::postgres::Cause;

    fn member(number: u128) -> MemberId {
        MemberId(Uuid::from_u128(number))
    }

    fn cause(request: &str) -> Cause {
        let caller = Caller { identity_type: IdentityType::Member, id: Uuid::nil() };
        Cause { method: Method::Join, caller, request_id: RequestId::parse(request).unwrap(), traceparent: None }
    }

    fn known(room: usize, joins: &[(u128, i64)]) -> Known {
        let mut known = Known { from: Some(member(1)), ..Known::new(room) };
        for (number, sequence) in joins {
            known.keep(member(*number), *sequence, cause(&format!("{number}-{sequence}")));
        }
        known
    }

    #[test]
    fn the_newest_cause_of_a_member_is_kept_in_whatever_order_they_are_found() {
        for joins in [[(7, 2), (7, 4), (7, 3)], [(7, 4), (7, 3), (7, 2)]] {
            let known = known(10, &joins);
            let (sequence, cause) = &known.causes[&member(7)];
            assert_eq!((*sequence, cause.request_id.as_str()), (4, "7-4"));
        }
    }

    #[test]
    fn what_finds_no_room_is_known_not_to_be_known() {
        let known = known(3, &[(9, 1), (2, 1), (8, 1), (4, 1), (9, 5), (6, 1), (3, 1)]);
        assert_eq!(known.causes.keys().copied().collect::<Vec<_>>(), [2, 3, 4].map(member));
        assert_eq!(known.until, Some(member(6)));
        assert!(known.covers(member(1), member(5)) && known.covers(member(3), member(4)));
        assert!(!known.covers(member(1), member(6)) && !known.covers(member(0), member(2)));
    }

    #[test]
    fn nothing_is_covered_before_anything_is_read() {
        assert!(!Known::new(3).covers(member(0), member(1)));
        assert!(known(3, &[]).covers(member(1), member(1_000)), "there was room for all");
    }
}
