//! Names that stand in message headers and properties.

use crate::domain::Method;

/// `type` of a request.
#[must_use]
pub const fn request_type(method: Method) -> &'static str {
    match method {
        Method::Join => "join-community.v1",
        Method::Leave => "leave-community.v1",
    }
}

/// `type` of a reply.
#[must_use]
pub const fn reply_type(method: Method) -> &'static str {
    match method {
        Method::Join => "join-community.v1.response",
        Method::Leave => "leave-community.v1.response",
    }
}

/// Routing key that a request is sent with. It leads to the queue and decides nothing: what is asked for says the `type`.
#[must_use]
pub const fn request_key(method: Method) -> &'static str {
    match method {
        Method::Join => REQUEST_KEY,
        Method::Leave => "leave",
    }
}

/// The method that a `type` asks for; without one it is to join. `None` for a type that asks for nothing we know.
#[must_use]
pub fn asked_for(kind: Option<&str>) -> Option<Method> {
    let Some(kind) = kind else { return Some(Method::default()) };
    Method::ALL.into_iter().find(|method| request_type(*method) == kind)
}

/// `type` of a signed webhook on its way.
pub const WEBHOOK_TYPE: &str = "join-community.v1.webhook";
/// Routing key of a request to join, and of every copy that comes back.
pub const REQUEST_KEY: &str = "request";
/// Routing key of a dead letter.
pub const DEAD_LETTER_KEY: &str = "dead-letter";
/// Routing key of a dead letter that was discarded.
pub const DISCARDED_KEY: &str = "discarded";
/// Routing key of a webhook that nobody took; of a target's, with a dot and the target's name behind it.
pub const WEBHOOK_DEAD_LETTER_KEY: &str = "webhook-dead-letter";
/// `type` of an event, and its routing key.
pub const EVENT_TYPE: &str = "wix.members.v1.member_updated";

/// Names the member of a request, for an exchange that spreads requests over queues. It decides nothing else.
pub const MEMBER_ID: &str = "memberId";
/// Names the site of an event or a webhook.
pub const SITE_ID: &str = "siteId";
/// Names the member that an event is about.
pub const SUBJECT: &str = "cloudEvents:subject";
/// Says on an event who caused it.
pub const IDENTITY: &str = "identity";
/// Carries a session token.
pub const AUTHORIZATION: &str = "authorization";
/// W3C trace context.
pub const TRACEPARENT: &str = "traceparent";
/// W3C trace context, vendor part.
pub const TRACESTATE: &str = "tracestate";

/// Why a dead letter is one.
pub const REASON: &str = "x-join-community-reason";
/// JSON pointer to what is malformed.
pub const POINTER: &str = "x-join-community-pointer";
/// What was wrong, in words.
pub const ERROR: &str = "x-join-community-error";
/// How often the request was on the retry ladder.
pub const ATTEMPTS: &str = "x-join-community-attempts";
/// How often it was there for an unknown member.
pub const ATTEMPTS_UNKNOWN_MEMBER: &str = "x-join-community-attempts-unknown-member";
/// How often it was there for a busy record.
pub const ATTEMPTS_BUSY: &str = "x-join-community-attempts-busy";
/// When it went there, and to which rungs: `<instant> <rung>`, with commas between; the newest some thirty times.
pub const RETRIES: &str = "x-join-community-retries";
/// When the worker first saw the request.
pub const FIRST_SEEN: &str = "x-join-community-first-seen";
/// Exchange that the request was sent to.
pub const EXCHANGE: &str = "x-join-community-exchange";
/// Routing key that the request was sent with.
pub const ROUTING_KEY: &str = "x-join-community-routing-key";
/// Who is answerable for the request.
pub const REQUESTER: &str = "x-join-community-requester";
/// Who calls.
pub const CALLER: &str = "x-join-community-caller";
/// When the request arrived.
pub const ARRIVED: &str = "x-join-community-arrived";
/// Whether the token that proved the caller held the permission to act for others.
pub const PERMISSION: &str = "x-join-community-permission";
/// Which dead letter a request was replayed from, and by which replay: `<letter>/<replay>`.
pub const REPLAY: &str = "x-join-community-replay";
/// What a dead letter was before it was moved from one queue to another: its sender and headers; and when it was moved.
pub const MOVED: &str = "x-join-community-moved";
/// Version of the worker that wrote a dead letter.
pub const VERSION: &str = "x-join-community-version";
/// Name of the receiver that a webhook is for.
pub const TARGET: &str = "x-join-community-target";
/// Size of a body that was too large to be kept whole, in bytes.
pub const BODY_SIZE: &str = "x-join-community-body-size";
/// SHA-256 of a body that was too large to be kept whole.
pub const BODY_SHA256: &str = "x-join-community-body-sha256";
