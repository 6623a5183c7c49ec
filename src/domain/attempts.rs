//! How often a request was on the retry ladder, by what it waited for. Apart from the request, because copies carry it.

/// What a request waits for on the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The record of its member, which may be on the way.
    UnknownMember,
    /// The lock of its member's record.
    Busy,
    /// The key that its token was signed with.
    Keys,
}

impl Wait {
    /// The word in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownMember => "unknown_member",
            Self::Busy => "busy",
            Self::Keys => "keys",
        }
    }
}

/// The times that a request was on the ladder. Each wait has a patience of its own, whatever was waited for before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// For an unknown member.
    pub unknown_member: u32,
    /// For a busy record.
    pub busy: u32,
    /// For keys, which are waited for without end, and for what is not known any more.
    pub others: u32,
}

impl Attempts {
    /// How often it waited for one thing.
    #[must_use]
    pub const fn of(self, wait: Wait) -> u32 {
        match wait {
            Wait::UnknownMember => self.unknown_member,
            Wait::Busy => self.busy,
            Wait::Keys => self.others,
        }
    }

    /// How often it waited for anything.
    #[must_use]
    pub const fn total(self) -> u32 {
        self.unknown_member.saturating_add(self.busy).saturating_add(self.others)
    }

    /// The same, and once more for this.
    #[must_use]
    pub const fn one_more(self, wait: Wait) -> Self {
        let more = self.of(wait).saturating_add(1);
        match wait {
            Wait::UnknownMember => Self { unknown_member: more, ..self },
            Wait::Busy => Self { busy: more, ..self },
            Wait::Keys => Self { others: more, ..self },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Attempts, Wait};

    #[test]
    fn each_wait_is_counted_by_itself_and_all_of_them_together() {
        let mut attempts = Attempts::default();
        for wait in [Wait::Busy, Wait::UnknownMember, Wait::Busy, Wait::Keys, Wait::Busy] {
            attempts = attempts.one_more(wait);
        }
        assert_eq!(attempts, Attempts { unknown_member: 1, busy: 3, others: 1 });
        assert_eq!((attempts.of(Wait::Busy), attempts.total()), (3, 5));
        let endless = Attempts { others: u32::MAX, ..attempts }.one_more(Wait::Keys);
        assert_eq!((endless.others, endless.total()), (u32::MAX, u32::MAX));
    }
}
