//! The nouns and the one rule. Pure: no I/O, no serialisation, time is passed in.

mod attempts;
mod caller;
mod change;
mod control;
mod grounds;
mod ids;
mod member;
mod method;
pub mod refusal;
mod request;
mod site;
mod verdict;

pub use attempts::{Attempts, Wait};
pub use caller::{Caller, IdentityType, Requester};
pub use change::{Change, Origin};
pub use control::{Bounds, Control, Setting};
pub use grounds::{Case, Grounds, RULE_VERSION};
pub use ids::{MemberId, RequestId, SiteId};
pub use member::{ActivityStatus, Json, Member, PrivacyStatus, Status};
pub use method::Method;
pub use request::{Proof, Request};
pub use site::Gate;
pub use verdict::{Decision, Impossible, Recorded, Rejection, Standing, Verdict, decide};

use time::OffsetDateTime;

/// Cuts an instant to milliseconds: the precision of every time that this project stores or sends.
#[must_use]
pub fn to_millis(at: OffsetDateTime) -> OffsetDateTime {
    let nanosecond = at.nanosecond() / 1_000_000 * 1_000_000;
    at.replace_nanosecond(nanosecond).unwrap_or(at)
}
