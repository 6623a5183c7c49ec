//! A delivery as it came, in plain types: untrusted throughout.

use time::OffsetDateTime;

/// A message from the requests queue. Nothing in it is checked yet.
///
/// A header whose value is no text reads as empty text, which no check takes for valid.
#[derive(Clone, Debug, Default)]
pub struct Incoming {
    /// The exchange it was published to last.
    pub exchange: Box<str>,
    /// The routing key it was published with last.
    pub routing_key: Box<str>,
    /// Whether the broker delivered it before. Decides no verdict.
    pub redelivered: bool,
    /// Property `message_id`.
    pub message_id: Option<Box<str>>,
    /// Property `type`.
    pub kind: Option<Box<str>>,
    /// Property `content_type`.
    pub content_type: Option<Box<str>>,
    /// Property `content_encoding`.
    pub content_encoding: Option<Box<str>>,
    /// Property `correlation_id`.
    pub correlation_id: Option<Box<str>>,
    /// Property `reply_to`.
    pub reply_to: Option<Box<str>>,
    /// Property `user_id`: the broker has checked that the publisher is this user.
    pub user_id: Option<Box<str>>,
    /// Property `timestamp`, seconds since 1970. Evidence only where the broker is known to overwrite it.
    pub timestamp: Option<u64>,
    /// Header `authorization`.
    pub authorization: Option<Box<str>>,
    /// Header `traceparent`.
    pub traceparent: Option<Box<str>>,
    /// Header `tracestate`.
    pub tracestate: Option<Box<str>>,
    /// The headers that only the worker may write.
    pub own: OwnHeaders,
    /// The body.
    pub body: Vec<u8>,
    /// When this process took it in, cut to milliseconds.
    pub taken_at: Option<OffsetDateTime>,
}

/// The headers of a copy. They count only if [`Incoming::user_id`] is the worker's own user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnHeaders {
    /// How often the request was on the ladder.
    pub attempts: Option<u32>,
    /// How often it was there for an unknown member.
    pub attempts_unknown_member: Option<u32>,
    /// How often it was there for a busy record.
    pub attempts_busy: Option<u32>,
    /// When the request first arrived, RFC 3339.
    pub arrived: Option<Box<str>>,
    /// Who is answerable.
    pub requester: Option<Box<str>>,
    /// Who calls.
    pub caller: Option<Box<str>>,
    /// Which dead letter it was replayed from, and by which replay.
    pub replay: Option<Box<str>>,
    /// Whether the token held the permission to act for others.
    pub permission: Option<bool>,
}
