//! What a request asks for. All that joining and leaving differ in hangs on this one value.

use super::Origin;

/// The two methods of the Members API that the worker carries out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// `joinCommunity`: the member becomes public.
    #[default]
    Join,
    /// `leaveCommunity`: the member becomes private.
    Leave,
}

impl Method {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Join, Self::Leave];

    /// The word in record and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Leave => "leave",
        }
    }

    /// The method that a word stands for.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }

    /// The origin of the change that it makes.
    #[must_use]
    pub const fn origin(self) -> Origin {
        match self {
            Self::Join => Origin::JoinCommunity,
            Self::Leave => Origin::LeaveCommunity,
        }
    }
}
