//! What is done with each delivery, one clause for each thing that it can come to.

use time::OffsetDateTime;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::Desk;
use super::arrival::{Arrival, Item, examine};
use super::rounds::Outcome;
use super::settle::Settle;
use crate::domain::{Caller, Change, Member, Proof, Request, Requester, Verdict, Wait, to_millis};
use crate::fail_point::{self, Point};
use crate::postgres::StoreError;
use crate::rabbitmq::consumer::Tag;
use crate::rabbitmq::topology::{RUNGS, Rung, rung_for};
use crate::telemetry::chain;
use crate::wire::copy::{self, DeadLetter, DeadReason, History, Sender};
use crate::wire::reply::{self, Reply};
use crate::wire::request::{Malformed, target_missing};
use crate::wire::{Incoming, Outgoing, headers};

/// Where requests of a held site wait: once it is released they come within this.
const HELD_ON: Rung = RUNGS[2];

/// A delivery that leaves as a copy, with the request in it where one is proven.
#[derive(Clone, Copy)]
struct Parcel<'a> {
    tag: Tag,
    incoming: &'a Incoming,
    request: Option<&'a Request>,
}

impl Item {
    /// What it leaves as, if it is a delivery of ours.
    fn parcel(&self) -> Option<Parcel<'_>> {
        self.tag.map(|tag| Parcel { tag, incoming: &self.incoming, request: Some(&self.request) })
    }
}

impl Desk {
    /// Takes a delivery in. Answers the item to be joined; everything else is dealt with here.
    pub(super) fn take_in(&self, tag: Tag, incoming: Incoming, settle: &mut Settle) -> Option<Item> {
        fail_point::beware_of(incoming.message_id.as_deref());
        let now = incoming.taken_at.unwrap_or_else(|| to_millis(OffsetDateTime::now_utc()));
        let arrival = examine(&incoming, &self.authenticator, now);
        fail_point::pass(Point::TakenIn);
        match arrival {
            Arrival::Proven(request) if self.controls.holds(request.site) => {
                self.hold(tag, &incoming, &request, settle);
            }
            Arrival::Proven(request) => return Some(Item { tag: Some(tag), incoming, request: *request }),
            Arrival::Malformed(malformed) => self.refuse_malformed(unproven(tag, &incoming), &malformed, settle),
            Arrival::Refused(reason) => {
                debug!(
                    request.id = incoming.request_id(),
                    trace.id = incoming.trace_id(),
                    reason,
                    "a request proves nothing"
                );
                self.meters.refused.of(reason).increment(1);
                self.reply(&incoming, reply::unauthenticated(reason), None);
                settle.done(tag);
            }
            Arrival::NoKeys => self.try_later(unproven(tag, &incoming), Wait::Keys, settle),
        }
        None
    }

    /// Has a request of a site that is held wait on the ladder. Nothing is counted: it is as it was when it comes back.
    fn hold(&self, tag: Tag, incoming: &Incoming, request: &Request, settle: &mut Settle) {
        self.meters.held.increment(1);
        let (history, key) = (self.history(incoming, Some(request)), self.names.retry_key(HELD_ON));
        settle.move_on(tag, copy::retry(incoming, &history, &self.names.internal(), key, &self.worker_user));
    }

    /// Concludes a request with its outcome.
    pub(super) fn conclude(&self, item: &Item, outcome: Outcome, committing: Instant, settle: &mut Settle) {
        let Item { incoming, request, .. } = item;
        match (outcome, item.parcel()) {
            (Outcome::Verdict { verdict, member, fresh }, parcel) => {
                debug!(
                    request.id = request.id.as_str(),
                    trace.id = request.trace_id(),
                    site.id = %request.site,
                    method = request.method.as_str(),
                    verdict = verdict.as_str(),
                    code = verdict.code(),
                    fresh,
                    "settled"
                );
                self.reply(incoming, reply::verdict(verdict, member.as_deref()), Some(request));
                if let Some(change) = change(request, verdict, member, fresh) {
                    self.hand_over.offer(change, committing, self.lease);
                }
                if let Some(Parcel { tag, .. }) = parcel {
                    settle.done(tag);
                }
            }
            // Taken ahead: whoever takes it from the queue sees to it.
            (Outcome::Conflict | Outcome::Later | Outcome::TargetMissing, None) => {}
            (Outcome::Conflict, Some(parcel)) => {
                self.reply(incoming, reply::conflict(), Some(request));
                let why = DeadLetter {
                    reason: DeadReason::Conflict,
                    pointer: None,
                    error: "the request id was used for another request before",
                };
                self.dead_letter(parcel, &why, settle);
            }
            (Outcome::Later, Some(parcel)) => self.try_later(parcel, Wait::UnknownMember, settle),
            (Outcome::TargetMissing, Some(parcel)) => self.refuse_malformed(parcel, &target_missing(), settle),
        }
    }

    /// Gives up on a request that fails alone: busy ones may be free later, the others can never be stored.
    pub(super) fn give_up(&self, item: &Item, error: &StoreError, settle: &mut Settle) {
        // Taken ahead: it is tried again when it comes from the queue.
        let Some(parcel) = item.parcel() else { return };
        let (request, told) = (&item.request, chain(error));
        let reason = match error {
            StoreError::Contention(_) | StoreError::Locked if request.attempts.busy < self.join.busy_retries => {
                return self.try_later(parcel, Wait::Busy, settle);
            }
            StoreError::Contention(_) | StoreError::Locked => DeadReason::Busy,
            StoreError::Permanent(_) | StoreError::Outage(_) | StoreError::Silent(_) => {
                self.note_permanent_failure();
                DeadReason::Permanent
            }
        };
        warn!(request.id = %request.id, trace.id = request.trace_id(), error = told, "a request cannot be stored");
        self.dead_letter(parcel, &DeadLetter { reason, pointer: None, error: &told }, settle);
    }

    /// Gives up on a delivery that processes died of, without reading it.
    pub(super) fn give_up_unread(&self, tag: Tag, incoming: &Incoming, settle: &mut Settle) {
        let error = "the worker ended each time that it handled this message, twice with no other in hand";
        warn!(body.sha256 = copy::body_digest(&incoming.body), "a message that ends the worker becomes a dead letter");
        let why = DeadLetter { reason: DeadReason::CrashLoop, pointer: None, error };
        let sender = self.authenticator.unread_sender(incoming);
        let history = History { sender: sender.as_ref().map(self::sender), ..self.history(incoming, None) };
        self.bury(unproven(tag, incoming), &why, self.letter(incoming, &history, &why), settle);
    }

    fn refuse_malformed(&self, parcel: Parcel<'_>, malformed: &Malformed, settle: &mut Settle) {
        let Parcel { tag, incoming, request } = parcel;
        self.reply(incoming, reply::malformed(malformed), request);
        if self.dead_letters_are_full() {
            warn!(
                request.id = incoming.request_id(),
                trace.id = incoming.trace_id(),
                body.sha256 = copy::body_digest(&incoming.body),
                rule = malformed.rule,
                "dead letters are full, a malformed message is dropped"
            );
            self.meters.dropped.increment(1);
            return settle.done(tag);
        }
        let error = malformed.to_string();
        let why = DeadLetter { reason: DeadReason::Malformed, pointer: malformed.pointer.as_deref(), error: &error };
        // The producer that the broker vouched for is not forgotten: an operator may mend what it sent, as far as it goes.
        let unread = if request.is_none() { self.authenticator.unread_sender(incoming) } else { None };
        let sender = unread.as_ref().map(sender).or(request.map(Sender::of));
        let history = History { sender, ..self.history(incoming, request) };
        self.bury(parcel, &why, self.letter(incoming, &history, &why), settle);
    }

    fn try_later(&self, Parcel { tag, incoming, request }: Parcel<'_>, wait: Wait, settle: &mut Settle) {
        let mut history = self.history(incoming, request);
        history.attempts = history.attempts.one_more(wait);
        let rung = rung_for(history.attempts.of(wait));
        debug!(
            request.id = incoming.request_id(),
            trace.id = incoming.trace_id(),
            wait = wait.as_str(),
            attempts = history.attempts.total(),
            rung = rung.word,
            "tried again later"
        );
        self.meters.retried(wait, rung.word);
        let key = self.names.retry_key(rung);
        settle.move_on(tag, copy::retry(incoming, &history, &self.names.internal(), key, &self.worker_user));
    }

    fn dead_letter(&self, parcel: Parcel<'_>, why: &DeadLetter<'_>, settle: &mut Settle) {
        let Parcel { incoming, request, .. } = parcel;
        self.bury(parcel, why, self.letter(incoming, &self.history(incoming, request), why), settle);
    }

    fn letter(&self, incoming: &Incoming, history: &History<'_>, why: &DeadLetter<'_>) -> Outgoing {
        copy::dead_letter(incoming, history, why, &self.names.internal(), &self.worker_user)
    }

    fn bury(&self, parcel: Parcel<'_>, why: &DeadLetter<'_>, letter: Outgoing, settle: &mut Settle) {
        let Parcel { tag, incoming, .. } = parcel;
        debug!(
            request.id = incoming.request_id(),
            trace.id = incoming.trace_id(),
            reason = why.reason.as_str(),
            pointer = why.pointer,
            "dead letter"
        );
        self.meters.dead_letters.of(why.reason.as_str()).increment(1);
        settle.move_on(tag, letter);
    }

    fn history<'a>(&self, incoming: &Incoming, request: Option<&'a Request>) -> History<'a> {
        let now = incoming.taken_at.unwrap_or_else(|| to_millis(OffsetDateTime::now_utc()));
        let (attempts, arrived) = self.authenticator.history(incoming, now);
        let target = request.and_then(|request| request.target);
        History { attempts, arrived, sender: request.map(Sender::of), target }
    }

    /// Offers a reply to the queue that the request names, if replies may go there. Nobody waits for it.
    fn reply(&self, incoming: &Incoming, reply: Reply, request: Option<&Request>) {
        let Some(queue) = incoming.reply_to.as_deref() else { return };
        fail_point::pass(Point::BeforeReply);
        let trace = request.and_then(|request| request.traceparent.as_deref());
        let correlation = incoming.correlation_id.as_deref().or(incoming.message_id.as_deref());
        let method = headers::asked_for(incoming.kind.as_deref()).unwrap_or_default();
        let sent = self.may_reply_to(queue)
            && self.publisher.offer_reply(reply::outgoing(reply, method, queue, correlation, trace));
        if !sent {
            debug!("a reply may not go where it is asked to, or finds no room");
            self.meters.replies_dropped.increment(1);
        }
    }
}

/// The sender of a message that nobody has read.
const fn sender((requester, caller, proof): &(Requester, Option<Caller>, Proof)) -> Sender<'_> {
    Sender { requester, caller: *caller, proof: *proof }
}

const fn unproven(tag: Tag, incoming: &Incoming) -> Parcel<'_> {
    Parcel { tag, incoming, request: None }
}

/// What the world is to learn of a verdict.
pub(super) fn change(request: &Request, verdict: Verdict, member: Option<Box<Member>>, fresh: bool) -> Option<Change> {
    let changed = fresh && verdict.leads_to().is_some();
    let buried = fresh && verdict.owes_tombstone();
    // A profile that is public already may be missing from the cache, and one that is private already may stand there still:
    // it is warmed or hidden, where that finds room.
    let reminded = matches!(verdict, Verdict::AlreadyJoined | Verdict::AlreadyLeft);
    let member_id = request.target.filter(|_| changed || buried || reminded)?;
    // Without a record nothing was ever shown, and there is no sequence: a tombstone made up for it would outrank the
    // entry of a record that comes later.
    let member = *member?;
    Some(Change {
        site: request.site,
        member_id,
        event_sequence: member.event_sequence,
        member: Some(member),
        event_due: changed,
        cache_due: true,
        origin: request.method.origin(),
        caller: Some(request.caller),
        request_id: Some(request.id.clone()),
        traceparent: request.traceparent.clone(),
    })
}
