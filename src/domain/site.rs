//! The site's gate: whether its members may be public at all.

/// The setting `publicMemberCandidates` of a site. A site without a record counts as [`Gate::Anyone`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// Every member may make the profile public.
    #[default]
    Anyone,
    /// All profiles are private, and no member can change that.
    NoOne,
}

impl Gate {
    /// The word on the wire and in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anyone => "ANYONE",
            Self::NoOne => "NO_ONE",
        }
    }

    /// The gate that a word stands for.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Anyone, Self::NoOne].into_iter().find(|gate| gate.as_str() == text)
    }
}
