//! The member record as the rule sees it. Contact and profile pass through untouched, as JSON text.

use time::OffsetDateTime;
use uuid::Uuid;

use super::MemberId;

/// JSON text from our own record, passed through without being parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(pub Box<str>);

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// The word on the wire and in the record.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The state that a word stands for. `UNKNOWN` is none: it is a read mask, never a state.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// Whether the member can log in.
    Status {
        /// Waits for approval.
        Pending = "PENDING",
        /// Can log in.
        Approved = "APPROVED",
        /// Was blocked by the site.
        Blocked = "BLOCKED",
        /// Guest author, or disconnected.
        Offline = "OFFLINE",
    }
}

words! {
    /// Whether others see the profile.
    PrivacyStatus {
        /// Hidden.
        Private = "PRIVATE",
        /// In the community.
        Public = "PUBLIC",
    }
}

words! {
    /// Whether the member may write.
    ActivityStatus {
        /// May.
        Active = "ACTIVE",
        /// May not. No effect on joining.
        Muted = "MUTED",
    }
}

/// A member as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The member's id.
    pub id: MemberId,
    /// E-mail address the member logs in with.
    pub login_email: Option<Box<str>>,
    /// Whether that address was verified. No effect on joining.
    pub login_email_verified: Option<bool>,
    /// Whether the member can log in.
    pub status: Status,
    /// Whether others see the profile.
    pub privacy_status: PrivacyStatus,
    /// Whether the member may write.
    pub activity_status: ActivityStatus,
    /// The contact behind the member.
    pub contact_id: Option<Uuid>,
    /// Contact details.
    pub contact: Option<Json>,
    /// Public profile: nickname, slug, photo, cover, title.
    pub profile: Option<Json>,
    /// When the member was created.
    pub created_date: OffsetDateTime,
    /// When the record last changed. May precede `created_date`.
    pub updated_date: OffsetDateTime,
    /// When the member last logged in.
    pub last_login_date: Option<OffsetDateTime>,
    /// Fields this version does not know, as one JSON object.
    pub extra: Option<Json>,
    /// Rises by one with every change of the record, whoever makes it.
    pub event_sequence: i64,
    /// Whether the record is a tombstone.
    pub deleted: bool,
}

impl Member {
    /// Whether the public profile may be shown: exactly then the cache holds it.
    #[must_use]
    pub fn is_public(&self) -> bool {
        !self.deleted && self.privacy_status == PrivacyStatus::Public && self.status == Status::Approved
    }

    /// The member after becoming public or private at `now`: the one change that a request makes.
    #[must_use]
    pub fn becoming(&self, privacy_status: PrivacyStatus, now: OffsetDateTime) -> Self {
        Self {
            privacy_status,
            updated_date: now.max(self.updated_date),
            event_sequence: self.event_sequence + 1,
            ..self.clone()
        }
    }
}
