//! Suspects: deliveries that came back, handled so that one which kills the process takes nobody along. Apart from the
//! lane's ordinary way, which pays nothing for it.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::batch::hold;
use super::lane::{Lane, Pause};
use super::settle::{Copied, Gone, Settle};
use crate::operations::Dependency;
use crate::postgres::{Fingerprint, Marks, StoreError};
use crate::rabbitmq::consumer::Tag;
use crate::telemetry::chain;
use crate::wire::Incoming;

/// A suspect that processes died of so often, alone, is not tried again.
const CRASHES: u64 = 2;
/// `PostgreSQL` may hear of a death later than the broker: whoever still seems to live is looked at again, so often.
const LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// What came of one try.
enum Tried {
    /// The delivery has its outcome.
    Settled,
    /// Nothing: processes died of it.
    Deadly,
    /// Nothing: the worker stops, or `PostgreSQL` is out.
    Paused(Pause),
}

impl Lane {
    /// Handles suspects one at a time: alone in the process, and marked before anything of it is read. Whoever comes back
    /// marked was alone when a process died.
    pub(super) async fn one_by_one(
        &mut self,
        suspects: Vec<(Tag, Incoming)>,
        settle: &mut Settle,
        stop: &CancellationToken,
    ) -> Result<Option<Pause>, Gone> {
        for (tag, incoming) in suspects {
            self.desk.meters.suspects.increment(1);
            let pause = self.until_tried(tag, &incoming, settle, stop).await?;
            if pause.is_some() {
                return Ok(pause);
            }
        }
        Ok(None)
    }

    /// Tries a suspect until it has an outcome, in an outage for as long as deliveries may be held: given back at once, it
    /// would be back at once. While it waits unmarked, others may work: its trouble may be its own.
    async fn until_tried(
        &mut self,
        tag: Tag,
        incoming: &Incoming,
        settle: &mut Settle,
        stop: &CancellationToken,
    ) -> Result<Option<Pause>, Gone> {
        let desk = Arc::clone(&self.desk);
        // Waiting for the floor counts: it may have been an outage that kept it.
        let (since, mut tries, mut alone) = (Instant::now(), desk.tries_of_database(), None);
        loop {
            if alone.is_none() {
                alone = stop.run_until_cancelled(desk.floor.write()).await;
                if alone.is_none() {
                    return Ok(Some(Pause::Stop));
                }
            }
            if !settle.is_possible() {
                return Err(Gone::Ended);
            }
            let came = self.attempt(tag, incoming, settle, stop).await;
            if matches!(came, Ok(Tried::Settled)) {
                return Ok(None);
            }
            // Whoever waits, or gives it back, did not die of it. What others died of stays marked.
            if self.unmark_own().await {
                alone = None;
            }
            let pause = match came? {
                Tried::Settled => return Ok(None),
                Tried::Deadly => {
                    // Nothing of it is tried any more, and its copy may take as long as publishers are blocked.
                    drop(alone);
                    return self.give_up_on(tag, incoming, settle, stop).await;
                }
                Tried::Paused(Pause::Outage) => hold(since, desk.outage.hold, &mut tries, stop).await,
                Tried::Paused(pause @ (Pause::Stop | Pause::Recovered | Pause::Resteered)) => Some(pause),
            };
            if pause.is_some() {
                return Ok(pause);
            }
        }
    }

    /// Tries a suspect once, with nothing else in hand in the whole process.
    async fn attempt(
        &mut self,
        tag: Tag,
        incoming: &Incoming,
        settle: &mut Settle,
        stop: &CancellationToken,
    ) -> Result<Tried, Gone> {
        let desk = Arc::clone(&self.desk);
        let suspect = fingerprint(incoming);
        match self.mark(&suspect, stop).await {
            Ok(Some(marks)) if marks.dead >= CRASHES => return Ok(Tried::Deadly),
            Ok(Some(_)) => {}
            Ok(None) => return Ok(Tried::Paused(Pause::Stop)),
            Err(error) => {
                desk.health.down(Dependency::Database, chain(&error));
                return Ok(Tried::Paused(Pause::Outage));
            }
        }
        debug!(
            request.id = incoming.request_id(),
            trace.id = incoming.trace_id(),
            "a delivery that came back is tried alone"
        );
        if let Some(item) = desk.take_in(tag, incoming.clone(), settle)
            && let Some(pause) = self.join_alone(item, settle, stop).await?
        {
            return Ok(Tried::Paused(pause));
        }
        self.unmark(&suspect).await;
        settle.acknowledge().await?;
        Ok(Tried::Settled)
    }

    /// Marks a suspect. Others who live try the same message, sent several times, or are dying of it this moment: these few
    /// looks tell. `None` if the worker stops meanwhile.
    async fn mark(&mut self, suspect: &Fingerprint, stop: &CancellationToken) -> Result<Option<Marks>, StoreError> {
        let id = self.desk.id;
        let mut marks = self.store.mark_suspect(suspect, id).await?;
        for _ in 0..LOOKS {
            if marks.dead >= CRASHES || marks.others < CRASHES {
                break;
            }
            if stop.run_until_cancelled(tokio::time::sleep(BETWEEN_LOOKS)).await.is_none() {
                return Ok(None);
            }
            marks = self.store.mark_suspect(suspect, id).await?;
        }
        Ok(Some(marks))
    }

    /// Makes a dead letter of a suspect. Its marks go before its delivery does: replayed or sent again, once the fault is
    /// mended, it shall not be taken for what it was.
    async fn give_up_on(
        &mut self,
        tag: Tag,
        incoming: &Incoming,
        settle: &mut Settle,
        stop: &CancellationToken,
    ) -> Result<Option<Pause>, Gone> {
        self.desk.give_up_unread(tag, incoming, settle);
        while let Some((copied, fate)) = stop.run_until_cancelled(settle.next_copy()).await {
            if copied == tag && fate == Copied::Confirmed {
                self.unmark(&fingerprint(incoming)).await;
            }
            settle.copied(copied, fate).await?;
            if copied == tag {
                return Ok(None);
            }
        }
        Ok(Some(Pause::Stop))
    }

    /// Takes all marks of a suspect away. Tried twice, since the first time may only find out that the connection is gone. A
    /// mark that cannot be taken away now goes when the lane next asks whether `PostgreSQL` serves.
    async fn unmark(&mut self, suspect: &Fingerprint) {
        for _ in 0..2 {
            match self.store.unmark_suspect(suspect).await {
                Ok(()) => return,
                Err(error) => debug!(error = chain(&error), "a mark stays for now"),
            }
        }
    }

    /// Takes the marks of this process away, and says whether that is done. Those of others stay: they may really have died.
    async fn unmark_own(&mut self) -> bool {
        let unmarked = self.store.unmark_process(self.desk.id).await;
        if let Err(error) = &unmarked {
            debug!(error = chain(error), "a mark may stay for now");
        }
        unmarked.is_ok()
    }
}

/// Told apart by their lengths, so that no two messages have the same for the asking.
fn fingerprint(incoming: &Incoming) -> Fingerprint {
    let mut context = Context::new(&SHA256);
    let texts = [&incoming.user_id, &incoming.message_id, &incoming.kind];
    let [user, id, kind] = texts.map(|text| text.as_deref().unwrap_or_default().as_bytes());
    for bytes in [user, id, kind, incoming.body.as_slice()] {
        context.update(&bytes.len().to_be_bytes());
        context.update(bytes);
    }
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(context.finish().as_ref());
    fingerprint
}

#[cfg(test)]
mod tests {
    use super::fingerprint;
    use crate::wire::Incoming;

    #[test]
    fn a_suspect_is_known_by_who_sent_what_for_what_under_which_id_and_by_nothing_else() {
        let message = |user: &str, id: &str, body: &[u8]| Incoming {
            user_id: Some(user.into()),
            message_id: Some(id.into()),
            body: body.to_vec(),
            ..Incoming::default()
        };
        let one = fingerprint(&message("a", "b", b"c"));
        assert_eq!(one, fingerprint(&Incoming { redelivered: true, ..message("a", "b", b"c") }));
        let leave = Incoming { kind: Some("leave-community.v1".into()), ..message("a", "b", b"c") };
        let others =
            [message("ab", "", b"c"), message("a", "bc", b""), message("", "b", b"c"), leave, Incoming::default()];
        for other in others {
            assert_ne!(one, fingerprint(&other));
        }
    }
}
