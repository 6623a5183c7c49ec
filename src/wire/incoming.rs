//! A delivery as it came, in plain types: untrusted throughout.

use time::OffsetDateTime;

use super::request::trace;
use crate::domain::RequestId;

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

impl Incoming {
    /// The id of the request that this may be, if it has the form of one: for the log, whatever else is wrong.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.message_id.as_deref().filter(|id| RequestId::parse(id).is_some())
    }

    /// The id of the trace that it belongs to, if it names a valid one: for the log, before anything is proven.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        let parent = self.traceparent.as_deref().filter(|parent| trace::parent(parent).is_some())?;
        parent.split('-').nth(1)
    }
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
    /// When it was there, and on which rungs.
    pub retries: Option<Box<str>>,
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

#[cfg(test)]
mod tests {
    use super::Incoming;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn what_is_logged_of_a_message_that_proves_nothing_is_checked_text() {
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let message = |id: &str, parent: &str| Incoming {
            message_id: Some(id.into()),
            traceparent: Some(parent.into()),
            ..Incoming::default()
        };
        let sound = message("id-1", &parent);
        assert_eq!((sound.request_id(), sound.trace_id()), (Some("id-1"), Some(TRACE)));
        let (loud, long) = (parent.to_uppercase(), "x".repeat(129));
        for (id, parent) in [("two\nlines", "no parent"), ("", loud.as_str()), (long.as_str(), "")] {
            let strange = message(id, parent);
            assert_eq!((strange.request_id(), strange.trace_id()), (None, None), "{id:?} {parent:?}");
        }
    }
}
