//! From events to deliveries: each event is signed once, and goes into the queue of every target. It is acknowledged when the
//! broker has confirmed all of that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use futures_util::future::try_join_all;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use uuid::Uuid;

use super::losses::{Hush, Losses};
use super::parts::parts;
use super::session::SessionEnd;
use super::signer::Signer;
use crate::domain::SiteId;
use crate::rabbitmq::subscription::{Subscription, Taken};
use crate::rabbitmq::topology::Names;
use crate::rabbitmq::window::{Fate, Window};
use crate::wire::headers::{EVENT_TYPE, IDENTITY, SITE_ID, SUBJECT};
use crate::wire::webhook::{Delivery, WebhookDeadReason};
use crate::wire::{Outgoing, instant};

/// Most events that are spread at once: confirms take as long as the broker's disk, whatever their number.
pub(super) const MOST: u16 = 64;
/// Most bytes of events that are signed at once, and of webhooks that are on their way into queues at once.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// What makes deliveries of events.
pub(super) struct Spreader {
    pub(super) signer: Arc<Signer>,
    /// Of each target.
    pub(super) losses: Vec<Arc<Losses>>,
    pub(super) names: Names,
    pub(super) worker_user: Box<str>,
    /// Processors to sign on.
    pub(super) processors: usize,
    /// Limit of a call to the broker.
    pub(super) limit: Duration,
    pub(super) hush: Hush,
}

/// The channels that a session publishes on.
pub(super) struct Channels {
    /// One for each target, in the order of the spreader's: what the broker returns says only that something on that channel
    /// found no queue, and all of it goes out again.
    pub(super) targets: Vec<Window>,
    /// For what is nobody's.
    pub(super) dead_letters: Window,
}

/// A signed event.
struct Signed {
    /// For nobody yet.
    delivery: Delivery,
    /// What to keep in place of a body that is too large.
    event: Bytes,
}

impl Spreader {
    /// Spreads until `stop`.
    pub(super) async fn run(
        &self,
        mut events: Subscription,
        channels: Channels,
        stop: &CancellationToken,
    ) -> Result<(), SessionEnd> {
        while let Some(batch) = stop.run_until_cancelled(events.next_batch(MOST.into())).await {
            for part in parts(batch.ok_or(SessionEnd::Gone)?, MOST_BYTES, |event: &Taken| event.body.len()) {
                self.spread(part, &channels).await?;
            }
        }
        events.cancel(self.limit).await?;
        events.close(self.limit).await?;
        for window in &channels.targets {
            window.close().await?;
        }
        Ok(channels.dead_letters.close().await?)
    }

    async fn spread(&self, mut events: Vec<Taken>, channels: &Channels) -> Result<(), SessionEnd> {
        let (mut known, mut dead) = (Vec::new(), Vec::new());
        for event in &mut events {
            match Read::of(event) {
                Some(event) => known.push(event),
                None => dead.push(self.malformed(event)),
            }
        }
        let signed = self.sign(known).await?;
        let mut ways = Vec::with_capacity(self.losses.len());
        for (losses, window) in self.losses.iter().zip(&channels.targets) {
            ways.push(self.lead(&signed, losses, window));
        }
        try_join_all(ways).await?;
        all_confirmed(&channels.dead_letters, &dead).await?;
        for event in events {
            event.ack().await?;
        }
        Ok(())
    }

    /// Signs events, each of which takes about a millisecond, on all processors, away from what serves requests.
    async fn sign(&self, events: Vec<Read>) -> Result<Vec<Signed>, SessionEnd> {
        let share = events.len().div_ceil(self.processors.max(1));
        let mut signing = Vec::with_capacity(self.processors);
        for part in parts(events, share, |_| 1) {
            let signer = Arc::clone(&self.signer);
            signing.push(tokio::task::spawn_blocking(move || {
                part.into_iter().map(|event| event.signed(&signer)).collect::<Result<Vec<_>, _>>()
            }));
        }
        let mut signed = Vec::new();
        for part in signing {
            signed.extend(part.await.map_err(SessionEnd::BrokeDown)??);
        }
        Ok(signed)
    }

    /// Leads webhooks into the queue of one target or, where that does not take them, to its dead letters.
    async fn lead(&self, signed: &[Signed], losses: &Losses, window: &Window) -> Result<(), SessionEnd> {
        // All targets are led to at once.
        let most = MOST_BYTES / self.losses.len().max(1);
        let key = Names::webhook_key(&losses.target);
        for part in parts(signed, most, |signed: &&Signed| signed.delivery.body.len()) {
            let mut messages = Vec::with_capacity(part.len());
            for signed in &part {
                messages.push(signed.to(losses).outgoing(&self.names.internal(), key.clone(), &self.worker_user));
            }
            let fates = window.publish(&messages).await?;
            drop(messages);
            let mut dead = Vec::new();
            for (signed, fate) in part.into_iter().zip(fates) {
                dead.extend(self.after(signed, losses, fate));
            }
            all_confirmed(window, &dead).await?;
        }
        Ok(())
    }

    /// The dead letter that takes the place of a delivery, if its queue does not have it.
    fn after(&self, signed: &Signed, losses: &Losses, fate: Fate) -> Option<Outgoing> {
        let mut delivery = signed.to(losses);
        let (reason, error) = match fate {
            Fate::Confirmed => return None,
            Fate::Returned => (WebhookDeadReason::Unroutable, "its queue is not bound: `topology declare` binds it"),
            Fate::Refused => (WebhookDeadReason::NoRoom, "as many as may wait for this target wait already"),
            Fate::TooLarge => {
                delivery.body = signed.event.clone();
                (WebhookDeadReason::TooLarge, "signed, it is larger than the broker takes")
            }
        };
        losses.add(&delivery, reason, error);
        Some(delivery.dead(&self.names.internal(), &self.worker_user, reason, error))
    }

    fn malformed(&self, event: &mut Taken) -> Outgoing {
        let body = std::mem::take(&mut event.body).into();
        let event_id = event.message_id().unwrap_or_default().into();
        let delivery = Delivery { event_id, body, ..Delivery::default() };
        let (id, error) = (&*delivery.event_id, "it is no event of this worker");
        if self.hush.lifts(Instant::now()) {
            warn!(event.id = id, error, "what is no event of ours becomes a dead letter of the webhooks");
        } else {
            debug!(event.id = id, error, "what is no event of ours becomes a dead letter of the webhooks");
        }
        delivery.dead(&self.names.internal(), &self.worker_user, WebhookDeadReason::Malformed, error)
    }
}

impl Signed {
    /// The delivery to a target.
    fn to(&self, losses: &Losses) -> Delivery {
        Delivery { target: losses.target.clone(), ..self.delivery.clone() }
    }
}

/// What an event says, as far as a webhook repeats it.
struct Read {
    id: Box<str>,
    site: SiteId,
    member: Box<str>,
    identity: Option<String>,
    event: String,
}

impl Read {
    /// Takes the body of an event. `None` for what is no event of ours, which keeps it: only the worker may write to the
    /// exchange, so it is somebody's by hand.
    fn of(taken: &mut Taken) -> Option<Self> {
        let site = Uuid::try_parse(taken.text(SITE_ID)?).ok()?;
        (taken.kind() == Some(EVENT_TYPE) && taken.body.starts_with(b"{")).then_some(())?;
        let (id, member) = (taken.message_id()?.into(), taken.text(SUBJECT)?.into());
        let identity = taken.text(IDENTITY).map(str::to_owned);
        match String::from_utf8(std::mem::take(&mut taken.body)) {
            Ok(event) => Some(Self { id, site: SiteId(site), member, identity, event }),
            Err(error) => {
                taken.body = error.into_bytes();
                None
            }
        }
    }

    fn signed(self, signer: &Signer) -> Result<Signed, jsonwebtoken::errors::Error> {
        let now = OffsetDateTime::now_utc();
        let body = signer.sign(&self.event, self.site, self.identity.as_deref(), now)?.into();
        let delivery = Delivery {
            event_id: self.id,
            site: self.site.to_string().into(),
            member: self.member,
            first_seen: instant::text(now).into(),
            body,
            ..Delivery::default()
        };
        Ok(Signed { delivery, event: self.event.into() })
    }
}

/// Publishes dead letters. Without them nothing is acknowledged.
pub(super) async fn all_confirmed(window: &Window, letters: &[Outgoing]) -> Result<(), SessionEnd> {
    let fates = window.publish(letters).await?;
    if fates.iter().all(|fate| *fate == Fate::Confirmed) { Ok(()) } else { Err(SessionEnd::DeadLetters) }
}
