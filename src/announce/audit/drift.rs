//! The judgement: whether what a key holds is out of step with its record, and what sets it right. Pure, so that every
//! order of events is tested by itself.

use crate::announce::cache_side::shown;
use crate::cache::Held;
use crate::postgres::{Audited, Place};
use crate::wire::profile;

/// How an entry is out of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Older than the record, with nothing owed that would make up for it.
    Behind,
    /// Of the record's sequence, and not what the record says.
    Wrong,
    /// Newer than the record: the database lost something.
    Ahead,
}

/// What sets an entry right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Repair {
    /// The cache is owed the record, and the announcer pays.
    Owe,
    /// Nothing newer will come: the entry is replaced at its own sequence, if it still is what was seen.
    Replace {
        /// What the record says.
        member: Vec<u8>,
        /// What the entry says.
        seen: Option<Vec<u8>>,
    },
    /// A profile that the record does not show becomes a tombstone at its own sequence.
    Hide {
        /// The entry's sequence.
        event_sequence: i64,
    },
    /// Only the record can be set right, by an operator.
    Leave,
}

/// An entry that is out of step.
#[derive(Clone, Debug)]
pub struct Drift {
    /// The member.
    pub place: Place,
    /// The record's sequence.
    pub event_sequence: i64,
    /// How it is out of step.
    pub kind: Kind,
    /// Whether it shows a profile that the record does not.
    pub shows_hidden: bool,
    pub(super) repair: Repair,
}

/// Judges a record by what its key held `before` the record was read, and holds `after` that.
///
/// A record is written before its entry, so an entry seen *before* may not be newer. A debt is forgotten only after the
/// entry is written, so where none stands in the record's own snapshot an entry seen *after* may not be older. At one
/// sequence a record says one thing, whenever it is looked at.
pub(super) fn judge(record: &Audited, before: &Held, after: &Held) -> Option<Drift> {
    let Audited { site, member, owed } = record;
    if *owed {
        return None;
    }
    let (kind, repair) = match after {
        Held::Nothing => return None,
        Held::Junk => (Kind::Wrong, Repair::Owe),
        Held::Entry { event_sequence, .. } if *event_sequence < member.event_sequence => (Kind::Behind, Repair::Owe),
        Held::Entry { event_sequence, member: held } if *event_sequence > member.event_sequence => {
            let was_ahead =
                matches!(before, Held::Entry { event_sequence, .. } if *event_sequence > member.event_sequence);
            if !was_ahead {
                return None;
            }
            let hide = held.is_some() && !member.is_public();
            let repair = if hide { Repair::Hide { event_sequence: *event_sequence } } else { Repair::Leave };
            (Kind::Ahead, repair)
        }
        Held::Entry { member: held, .. } => (Kind::Wrong, at_equal_sequence(shown(member), held.as_deref())?),
    };
    let place = Place { site: *site, member_id: member.id };
    let shows_hidden = !member.is_public() && matches!(after, Held::Entry { member: Some(_), .. });
    Some(Drift { place, event_sequence: member.event_sequence, kind, shows_hidden, repair })
}

fn at_equal_sequence(shown: Option<Vec<u8>>, held: Option<&[u8]>) -> Option<Repair> {
    match (shown, held) {
        (None, None) => None,
        // A tombstone wins over an entry of its own sequence.
        (None, Some(_)) => Some(Repair::Owe),
        (Some(shown), Some(held)) if profile::is_same(&shown, held) => None,
        (Some(member), held) => Some(Repair::Replace { member, seen: held.map(<[u8]>::to_vec) }),
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Repair, judge};
    use crate::announce::cache_side::shown;
    use crate::cache::Held;
    use crate::domain::{Member, PrivacyStatus};
    use crate::postgres::Audited;
    use crate::wire::sample::{SITE, bare};

    fn record(event_sequence: i64, privacy_status: PrivacyStatus) -> Audited {
        Audited { site: SITE, member: Member { privacy_status, event_sequence, ..bare() }, owed: false }
    }

    fn entry(event_sequence: i64, member: &[u8]) -> Held {
        Held::Entry { event_sequence, member: Some(member.to_vec()) }
    }

    #[test]
    fn a_profile_that_the_record_hides_is_told_from_what_is_merely_old() {
        let (public, private) = (record(17, PrivacyStatus::Public), record(17, PrivacyStatus::Private));
        let tombstone = Held::Entry { event_sequence: 16, member: None };
        for (record, held, hidden) in [
            (&private, entry(16, b"{}"), true),
            (&private, entry(17, b"{}"), true),
            (&private, entry(18, b"{}"), true),
            (&private, tombstone, false),
            (&private, Held::Junk, false),
            (&public, entry(16, b"{}"), false),
        ] {
            assert_eq!(judge(record, &held, &held).unwrap().shows_hidden, hidden, "{held:?}");
        }
    }

    fn judged(record: &Audited, held: &Held) -> Option<(Kind, Repair)> {
        judge(record, held, held).map(|drift| (drift.kind, drift.repair))
    }

    #[test]
    fn each_way_to_be_out_of_step_has_its_kind_and_its_repair() {
        let (public, private) = (record(17, PrivacyStatus::Public), record(17, PrivacyStatus::Private));
        let right = shown(&public.member).unwrap();
        let tombstone = |event_sequence| Held::Entry { event_sequence, member: None };
        let replace = |seen: Option<&[u8]>| {
            Some((Kind::Wrong, Repair::Replace { member: right.clone(), seen: seen.map(<[u8]>::to_vec) }))
        };
        let (behind, owed) = (Some((Kind::Behind, Repair::Owe)), Some((Kind::Wrong, Repair::Owe)));
        let ahead = |repair| Some((Kind::Ahead, repair));
        for (what, record, held, expected) in [
            ("absent", &public, Held::Nothing, None),
            ("in step", &public, entry(17, &right), None),
            ("hidden", &private, tombstone(17), None),
            ("an older entry", &public, entry(16, &right), behind.clone()),
            ("an older tombstone", &private, tombstone(16), behind),
            ("shown and private", &private, entry(17, b"{}"), owed.clone()),
            ("junk", &private, Held::Junk, owed),
            ("another body", &public, entry(17, b"{}"), replace(Some(b"{}"))),
            ("public and hidden", &public, tombstone(17), replace(None)),
            ("newer", &public, entry(18, b"{}"), ahead(Repair::Leave)),
            ("newer and hidden", &private, tombstone(18), ahead(Repair::Leave)),
            ("newer, shown and private", &private, entry(18, b"{}"), ahead(Repair::Hide { event_sequence: 18 })),
        ] {
            assert_eq!(judged(record, &held), expected, "{what}");
            assert!(judge(&Audited { owed: true, ..record.clone() }, &held, &held).is_none(), "{what}, but owed");
        }
    }

    #[test]
    fn an_entry_that_became_newer_after_the_record_was_read_is_not_ahead() {
        let record = record(17, PrivacyStatus::Public);
        for before in [Held::Nothing, Held::Junk, entry(16, b"{}"), entry(17, b"{}")] {
            assert!(judge(&record, &before, &entry(18, b"{}")).is_none(), "{before:?}");
        }
    }

    #[test]
    fn an_entry_that_was_brought_up_meanwhile_is_not_behind() {
        let record = record(17, PrivacyStatus::Public);
        let right = shown(&record.member).unwrap();
        assert!(judge(&record, &entry(16, b"{}"), &entry(17, &right)).is_none());
    }
}
