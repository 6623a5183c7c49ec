//! Fail points: named places where a test can end the process as `kill -9` would. Apart from the code that they stand
//! in, so that this shows each as one line, and nothing at all without the feature `fail-points`, which no release has.

#[cfg(feature = "fail-points")]
mod armed;

#[cfg(feature = "fail-points")]
pub use armed::{Unarmable, arm, beware_of, pass, pass_once};

/// A place in the flow of a request, and of what comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A delivery was decoded and authenticated; nothing came of it yet.
    TakenIn,
    /// A round of requests is about to be looked up; nothing is decided.
    BeforeLoad,
    /// A round was looked up; nothing is decided.
    AfterLoad,
    /// A round is decided; nothing of it is recorded.
    BeforeCommit,
    /// Verdicts, changes and debts are recorded; nothing is replied, acknowledged or announced.
    AfterCommit,
    /// A reply that was asked for is known; it is not sent, and its delivery not acknowledged.
    BeforeReply,
    /// Replies were sent; their deliveries may be acknowledged or not.
    AfterReply,
    /// A copy, for the ladder or the dead letters, is about to be sent; its delivery is not acknowledged.
    BeforeCopy,
    /// A copy was confirmed; its delivery is not acknowledged.
    AfterCopyConfirmed,
    /// Deliveries are done, by their verdicts or their copies; they are not acknowledged.
    BeforeAck,
    /// Deliveries were acknowledged.
    AfterAck,
    /// A batch of owed events is about to be published; none of it is.
    BeforePublish,
    /// The cache side is done with a batch whose events are not published. Where this point is armed, the event side
    /// waits for that order.
    BetweenCacheAndPublish,
    /// A batch of events went out; the broker's confirm was not seen.
    BeforeConfirm,
    /// A batch of events was confirmed; all of it is still owed in the outbox.
    AfterConfirm,
    /// A batch of cache entries is about to be written; none of it is.
    BeforeCache,
    /// A batch of cache entries was written; all of it is still owed in the outbox.
    AfterCache,
    /// Debts were paid by both sides; the outbox still holds them.
    BeforeForget,
    /// Paid debts were deleted from the outbox.
    AfterForget,
    /// Debts were claimed from the outbox, after a crash, an outage or a change by others; nothing is announced.
    Swept,
}

impl Point {
    /// Every point, in the order of the flow.
    pub const ALL: [Self; 20] = [
        Self::TakenIn,
        Self::BeforeLoad,
        Self::AfterLoad,
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::BeforeReply,
        Self::AfterReply,
        Self::BeforeCopy,
        Self::AfterCopyConfirmed,
        Self::BeforeAck,
        Self::AfterAck,
        Self::BeforePublish,
        Self::BetweenCacheAndPublish,
        Self::BeforeConfirm,
        Self::AfterConfirm,
        Self::BeforeCache,
        Self::AfterCache,
        Self::BeforeForget,
        Self::AfterForget,
        Self::Swept,
    ];

    /// The word that arms it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TakenIn => "taken-in",
            Self::BeforeLoad => "before-load",
            Self::AfterLoad => "after-load",
            Self::BeforeCommit => "before-commit",
            Self::AfterCommit => "after-commit",
            Self::BeforeReply => "before-reply",
            Self::AfterReply => "after-reply",
            Self::BeforeCopy => "before-copy",
            Self::AfterCopyConfirmed => "after-copy-confirmed",
            Self::BeforeAck => "before-ack",
            Self::AfterAck => "after-ack",
            Self::BeforePublish => "before-publish",
            Self::BetweenCacheAndPublish => "between-cache-and-publish",
            Self::BeforeConfirm => "before-confirm",
            Self::AfterConfirm => "after-confirm",
            Self::BeforeCache => "before-cache",
            Self::AfterCache => "after-cache",
            Self::BeforeForget => "before-forget",
            Self::AfterForget => "after-forget",
            Self::Swept => "swept",
        }
    }
}

/// Ends the process here, if the point is armed and it is its turn.
#[cfg(not(feature = "fail-points"))]
#[inline]
pub const fn pass(_: Point) {}

/// Where the point is armed, waits until `ready` and passes it.
#[cfg(not(feature = "fail-points"))]
#[inline]
pub fn pass_once(_: Point, _: impl Fn() -> bool) -> std::future::Ready<()> {
    std::future::ready(())
}

/// Ends the process here, if it was told that a message with this id kills it.
#[cfg(not(feature = "fail-points"))]
#[inline]
pub const fn beware_of(_: Option<&str>) {}
