//! From events to deliveries: each event is signed once, and goes into the queue of every target. It is acknowledged when the
//! broker has confirmed all of that.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use super::session::SessionEnd;
use super::signer::Signer;
use crate::domain::SiteId;
use crate::operations::Meters;
use crate::rabbitmq::subscription::{Subscription, Taken};
use crate::rabbitmq::topology::Names;
use crate::rabbitmq::window::{Fate, Window};
use crate::wire::headers::{EVENT_TYPE, IDENTITY, SITE_ID, SUBJECT};
use crate::wire::webhook::{Delivery, WebhookDeadReason};
use crate::wire::{Outgoing, instant};

/// Most events that are spread at once: confirms take as long as the broker's disk, whatever their number.
pub(super) const MOST: u16 = 64;

/// What makes deliveries of events.
pub(super) struct Spreader {
    pub(super) signer: Arc<Signer>,
    pub(super) names: Names,
    pub(super) meters: Meters,
    pub(super) worker_user: Box<str>,
    /// Limit of a call to the broker.
    pub(super) limit: Duration,
}

/// A delivery on its way into its target's queue, or what takes its place there.
struct Sent {
    delivery: Delivery,
    /// What to keep in place of a body that is too large.
    event: Arc<[u8]>,
    message: Outgoing,
}

impl Spreader {
    /// Spreads until `stop`.
    pub(super) async fn run(
        &self,
        mut events: Subscription,
        window: Window,
        stop: &CancellationToken,
    ) -> Result<(), SessionEnd> {
        while let Some(batch) = stop.run_until_cancelled(events.next_batch(MOST.into())).await {
            self.spread(batch.ok_or(SessionEnd::Gone)?, &window).await?;
        }
        events.cancel(self.limit).await?;
        events.close(self.limit).await?;
        Ok(window.close().await?)
    }

    async fn spread(&self, events: Vec<Taken>, window: &Window) -> Result<(), SessionEnd> {
        let (mut sent, mut dead) = (Vec::new(), Vec::new());
        for event in &events {
            match Read::of(event) {
                Some(read) => sent.extend(self.deliveries(read).await?),
                None => dead.push(self.malformed(event)),
            }
        }
        let messages: Vec<Outgoing> = sent.iter_mut().map(|sent| std::mem::take(&mut sent.message)).collect();
        let fates = window.publish(&messages).await?;
        for (sent, fate) in sent.into_iter().zip(fates) {
            dead.extend(self.after(sent, fate)?);
        }
        all_confirmed(window, &dead).await?;
        for event in events {
            event.ack().await?;
        }
        Ok(())
    }

    /// One delivery for each target, all with the same body.
    async fn deliveries(&self, read: Read) -> Result<Vec<Sent>, SessionEnd> {
        let now = OffsetDateTime::now_utc();
        let (signer, event) = (Arc::clone(&self.signer), Arc::clone(&read.event));
        let (site, identity) = (read.site, read.identity);
        // A millisecond of reckoning, away from what serves requests.
        let signing = tokio::task::spawn_blocking(move || signer.sign(&event, site, identity.as_deref(), now));
        let body = signing.await.map_err(SessionEnd::BrokeDown)??.into_bytes();
        let event: Arc<[u8]> = read.event.into();
        let sent = self.names.targets().map(|target| {
            let delivery = Delivery {
                target: target.into(),
                event_id: read.id.clone(),
                site: site.to_string().into(),
                member: read.member.clone(),
                attempts: 0,
                first_seen: instant::text(now).into(),
                body: body.clone(),
            };
            let key = Names::webhook_key(target);
            let message = delivery.outgoing(&self.names.internal(), key, &self.worker_user);
            Sent { delivery, event: Arc::clone(&event), message }
        });
        Ok(sent.collect())
    }

    /// The dead letter that takes the place of a delivery, if its queue does not have it.
    fn after(&self, sent: Sent, fate: Fate) -> Result<Option<Outgoing>, SessionEnd> {
        let Sent { mut delivery, event, .. } = sent;
        let (reason, error) = match fate {
            Fate::Confirmed => return Ok(None),
            Fate::Returned => return Err(SessionEnd::Missing(self.names.webhook(&delivery.target))),
            Fate::Refused => (WebhookDeadReason::NoRoom, "as many as may wait for this target wait already"),
            Fate::TooLarge => (WebhookDeadReason::TooLarge, "signed, it is larger than the broker takes"),
        };
        if fate == Fate::TooLarge {
            delivery.body = event.to_vec();
        }
        self.meters.webhook(&delivery.target).dead.increment(1);
        let (target, id) = (&*delivery.target, &*delivery.event_id);
        warn!(webhook.target = target, event.id = id, reason = reason.as_str(), "a webhook becomes a dead letter");
        Ok(Some(delivery.dead(&self.names.internal(), &self.worker_user, reason, error)))
    }

    fn malformed(&self, event: &Taken) -> Outgoing {
        let delivery = Delivery {
            event_id: event.message_id().unwrap_or_default().into(),
            body: event.body.clone(),
            ..Delivery::default()
        };
        warn!(event.id = &*delivery.event_id, "what is no event of ours becomes a dead letter of the webhooks");
        let error = "it is no event of this worker";
        delivery.dead(&self.names.internal(), &self.worker_user, WebhookDeadReason::Malformed, error)
    }
}

/// What an event says, as far as a webhook repeats it.
struct Read {
    id: Box<str>,
    site: SiteId,
    member: Box<str>,
    identity: Option<String>,
    event: Arc<str>,
}

impl Read {
    /// `None` for what is no event of ours: only the worker may write to the exchange, so it is somebody's by hand.
    fn of(event: &Taken) -> Option<Self> {
        let body = std::str::from_utf8(&event.body).ok().filter(|body| body.starts_with('{'))?;
        let site = Uuid::try_parse(event.text(SITE_ID)?).ok()?;
        (event.kind() == Some(EVENT_TYPE)).then_some(())?;
        Some(Self {
            id: event.message_id()?.into(),
            site: SiteId(site),
            member: event.text(SUBJECT)?.into(),
            identity: event.text(IDENTITY).map(str::to_owned),
            event: body.into(),
        })
    }
}

/// Publishes dead letters. Without them nothing is acknowledged.
pub(super) async fn all_confirmed(window: &Window, letters: &[Outgoing]) -> Result<(), SessionEnd> {
    let fates = window.publish(letters).await?;
    if fates.iter().all(|fate| *fate == Fate::Confirmed) { Ok(()) } else { Err(SessionEnd::DeadLetters) }
}
