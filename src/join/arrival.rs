//! *Decode, authenticate*: each delivery by itself, so that a malformed one never fails its neighbours.

use aws_lc_rs::digest::{SHA256, digest};
use time::OffsetDateTime;

use crate::auth::{Authentication, Authenticator, Proven};
use crate::domain::{Attempts, Request};
use crate::rabbitmq::consumer::Tag;
use crate::wire::Incoming;
use crate::wire::request::{Decoded, Malformed, decode};

/// A delivery whose request is proven.
pub(super) struct Item {
    /// None if it was taken ahead: then the same delivery still comes from the queue, and is settled there.
    pub(super) tag: Option<Tag>,
    pub(super) incoming: Incoming,
    pub(super) request: Request,
}

/// What a delivery turns out to be.
pub(super) enum Arrival {
    /// A proven request.
    Proven(Box<Request>),
    /// No request at all.
    Malformed(Malformed),
    /// A request that proves nothing; the word says why.
    Refused(&'static str),
    /// A token that cannot be judged before the keys were fetched again.
    NoKeys,
}

/// Reads a delivery and proves who asks.
pub(super) fn examine(incoming: &Incoming, authenticator: &Authenticator, now: OffsetDateTime) -> Arrival {
    let decoded = match decode(incoming) {
        Ok(decoded) => decoded,
        Err(malformed) => return Arrival::Malformed(malformed),
    };
    match authenticator.authenticate(incoming, &decoded, now) {
        Authentication::Proven(proven) => {
            let history = authenticator.history(incoming, now);
            Arrival::Proven(Box::new(request(decoded, proven, history)))
        }
        Authentication::Refused(reason) => Arrival::Refused(reason),
        Authentication::NoKeys => Arrival::NoKeys,
    }
}

fn request(decoded: Decoded, proven: Proven, (attempts, received_at): (Attempts, OffsetDateTime)) -> Request {
    let Decoded { id, method, body, traceparent, .. } = decoded;
    let Proven { caller, requester, proof } = proven;
    let target = body.member.or_else(|| caller.own_member());
    let meaning = Request::meaning(method, body.site, target, caller, body.elevated);
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, meaning.as_bytes()).as_ref());
    Request {
        id,
        method,
        site: body.site,
        target,
        caller,
        requester,
        elevated: body.elevated,
        proof,
        digest: fingerprint,
        attempts,
        received_at,
        traceparent,
    }
}

#[cfg(test)]
mod tests;
