//! Identifiers as types of their own, so that a site is never taken for a member.

use std::fmt;

use uuid::Uuid;

/// A site. First part of every key, and the unit a database could be sharded by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(pub Uuid);

/// A member of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub Uuid);

impl fmt::Display for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The producer's name for one request: 1 to 128 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(Box<str>);

impl RequestId {
    /// Longest request id, in characters.
    pub const MAX_LENGTH: usize = 128;

    /// Takes a request id, or `None` if it is empty, too long, or not visible ASCII throughout.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len());
        (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Self(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A UUID is 36 visible ASCII characters.
impl From<Uuid> for RequestId {
    fn from(id: Uuid) -> Self {
        Self(id.to_string().into())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::RequestId;

    #[test]
    fn a_request_id_is_1_to_128_visible_ascii_characters() {
        assert!(RequestId::parse("a").is_some());
        assert!(RequestId::parse(&"x".repeat(128)).is_some());
        for refused in ["", "with space", "é", "nul\0", "tab\t", &"x".repeat(129)] {
            assert!(RequestId::parse(refused).is_none(), "{refused:?} was taken");
        }
    }
}
