//! Suspects: deliveries that came back, handled so that one which kills the process takes nobody along. Apart from the
//! lane's ordinary way, which pays nothing for it.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::batch::hold;
use super::lane::{Lane, Pause};
use super::settle::{Gone, Settle};
use crate::operations::Dependency;
use crate::postgres::Fingerprint;
use crate::rabbitmq::consumer::Tag;
use crate::retry::Pauses;
use crate::telemetry::chain;
use crate::wire::Incoming;

/// A suspect that processes died of so often, alone, is not tried again.
const CRASHES: u64 = 2;

impl Lane {
    /// Handles suspects one at a time: alone in the process, and marked before anything of it is read. Whoever comes back
    /// marked was alone when a process died.
    pub(super) async fn one_by_one(
        &mut self,
        suspects: Vec<(Tag, Incoming)>,
        settle: &mut Settle,
        stop: &CancellationToken,
    ) -> Result<Option<Pause>, Gone> {
        let desk = Arc::clone(&self.desk);
        for (tag, incoming) in suspects {
            let Some(_alone) = stop.run_until_cancelled(desk.floor.write()).await else {
                return Ok(Some(Pause::Stop));
            };
            if !settle.is_possible() {
                return Err(Gone::Ended);
            }
            let suspect = fingerprint(&incoming);
            let crashes = match self.mark(&suspect, settle, stop).await? {
                Marked::Crashes(crashes) => crashes,
                Marked::Not(pause) => return Ok(Some(pause)),
            };
            desk.meters.suspects.increment(1);
            if crashes >= CRASHES {
                // Its marks stay: if it is sent again and kills again, it is known.
                desk.give_up_unread(tag, &incoming, settle);
            } else {
                let joined = match desk.take_in(tag, incoming, settle) {
                    Some(item) => self.join(vec![item], settle, stop).await,
                    None => Ok(None),
                };
                // Whatever it came to, nobody died of it.
                self.unmark(&suspect).await;
                if let Some(pause) = joined? {
                    return Ok(Some(pause));
                }
            }
            settle.acknowledge().await?;
        }
        Ok(None)
    }

    /// Marks a suspect. While it is unknown whether that was done, the delivery is held: it would come back marked by a
    /// process that lives, to others who must take that process for dead.
    async fn mark(
        &mut self,
        suspect: &Fingerprint,
        settle: &mut Settle,
        stop: &CancellationToken,
    ) -> Result<Marked, Gone> {
        let desk = Arc::clone(&self.desk);
        let (since, mut pauses) = (Instant::now(), Pauses::up_to(desk.outage.max_pause));
        let unmarked = loop {
            match self.store.mark_suspect(suspect, desk.id).await {
                Ok(crashes) => return Ok(Marked::Crashes(crashes)),
                Err(error) => desk.health.down(Dependency::Database, chain(&error)),
            }
            if let Some(pause) = hold(since, desk.outage.hold, pauses.next_pause(), stop).await {
                break Ok(Marked::Not(pause));
            }
            if !settle.is_possible() {
                break Err(Gone::Ended);
            }
        };
        // Ours alone: others may really have died of it.
        if let Err(error) = self.store.unmark_process(desk.id).await {
            debug!(error = chain(&error), "a mark may stay for now");
        }
        unmarked
    }

    /// Tried twice, since the first time may only find out that the connection is gone. A mark that cannot be taken away
    /// now goes when the lane next asks whether `PostgreSQL` serves.
    async fn unmark(&mut self, suspect: &Fingerprint) {
        for _ in 0..2 {
            match self.store.unmark_suspect(suspect).await {
                Ok(()) => return,
                Err(error) => debug!(error = chain(&error), "a mark stays for now"),
            }
        }
    }
}

/// Whether a suspect is marked.
enum Marked {
    /// It is; so many processes died of it.
    Crashes(u64),
    /// It is not, and is not to be tried.
    Not(Pause),
}

/// Told apart by their lengths, so that no two messages have the same for the asking.
fn fingerprint(incoming: &Incoming) -> Fingerprint {
    let mut context = Context::new(&SHA256);
    let texts = [&incoming.user_id, &incoming.message_id].map(|text| text.as_deref().unwrap_or_default().as_bytes());
    for bytes in [texts[0], texts[1], incoming.body.as_slice()] {
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
    fn a_suspect_is_known_by_who_sent_what_under_which_id_and_by_nothing_else() {
        let message = |user: &str, id: &str, body: &[u8]| Incoming {
            user_id: Some(user.into()),
            message_id: Some(id.into()),
            body: body.to_vec(),
            ..Incoming::default()
        };
        let one = fingerprint(&message("a", "b", b"c"));
        assert_eq!(one, fingerprint(&Incoming { redelivered: true, ..message("a", "b", b"c") }));
        for other in [message("ab", "", b"c"), message("a", "bc", b""), message("", "b", b"c"), Incoming::default()] {
            assert_ne!(one, fingerprint(&other));
        }
    }
}
