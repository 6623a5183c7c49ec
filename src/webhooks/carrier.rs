//! One target's webhooks: posted one beside the other, and after a failure put to wait for the next try.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use time::OffsetDateTime;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::losses::{Hush, Losses};
use super::sender::{Failure, Sender};
use super::session::SessionEnd;
use super::signer::{expiry, good_for};
use super::spreader::all_confirmed;
use crate::operations::WebhookSeries;
use crate::rabbitmq::subscription::{Subscription, Taken};
use crate::rabbitmq::topology::Names;
use crate::rabbitmq::window::{Fate, Window};
use crate::wire::headers::{ATTEMPTS, FIRST_SEEN, MEMBER_ID, SITE_ID, TARGET};
use crate::wire::instant;
use crate::wire::webhook::{Delivery, WebhookDeadReason};

/// What takes webhooks to one target.
pub(super) struct Carrier {
    pub(super) target: Box<str>,
    pub(super) sender: Sender,
    pub(super) ladder: Vec<Duration>,
    pub(super) names: Names,
    pub(super) worker_user: Box<str>,
    pub(super) series: WebhookSeries,
    pub(super) losses: Arc<Losses>,
    /// Limit of a call to the broker.
    pub(super) limit: Duration,
    pub(super) outage: Outage,
}

/// Whether the log says that a target takes nothing: told once, not with each try.
#[derive(Default)]
pub(super) struct Outage {
    is_told: AtomicBool,
    hush: Hush,
}

impl Carrier {
    /// Carries until `stop`, and then to the end what is on its way. As many are on their way as the subscription lets in.
    pub(super) async fn run(
        &self,
        mut deliveries: Subscription,
        window: Window,
        stop: &CancellationToken,
    ) -> Result<(), SessionEnd> {
        // One publish at a time: of several, a return could not be told whose it is.
        let window = Mutex::new(window);
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                taken = deliveries.next() => under_way.push(self.carry(taken.ok_or(SessionEnd::Gone)?, &window)),
                Some(done) = under_way.next() => done?,
            }
        }
        deliveries.cancel(self.limit).await?;
        while let Some(done) = under_way.next().await {
            done?;
        }
        deliveries.close(self.limit).await?;
        Ok(window.lock().await.close().await?)
    }

    /// Acknowledged is what was taken, or has been confirmed where it goes instead.
    async fn carry(&self, mut taken: Taken, window: &Mutex<Window>) -> Result<(), SessionEnd> {
        let body = Bytes::from(std::mem::take(&mut taken.body));
        match self.read(&taken, &body) {
            None => {
                let error = "it is no webhook of this worker for this target";
                let delivery = Delivery { target: self.target.clone(), body, ..Delivery::default() };
                self.bury(&delivery, WebhookDeadReason::Malformed, error, window).await?;
            }
            Some((delivery, signed)) if self.has_expired(signed) => {
                let error = "receivers refuse it since its signature has expired";
                self.bury(&delivery, WebhookDeadReason::Expired, error, window).await?;
            }
            Some((delivery, _)) => match self.sender.send(body).await {
                Ok(()) => self.delivered(),
                Err(failure) => self.failed(delivery, &failure, window).await?,
            },
        }
        Ok(taken.ack().await?)
    }

    /// What the worker wrote itself, and when it was signed; nothing else is posted.
    fn read(&self, taken: &Taken, body: &Bytes) -> Option<(Delivery, OffsetDateTime)> {
        let is_ours = taken.user_id() == Some(&*self.worker_user) && taken.text(TARGET) == Some(&*self.target);
        is_ours.then_some(())?;
        let first_seen = taken.text(FIRST_SEEN)?;
        let delivery = Delivery {
            target: self.target.clone(),
            event_id: taken.message_id()?.into(),
            site: taken.text(SITE_ID)?.into(),
            member: taken.text(MEMBER_ID)?.into(),
            attempts: taken.count(ATTEMPTS)?,
            first_seen: first_seen.into(),
            body: body.clone(),
        };
        Some((delivery, instant::parse(first_seen)?))
    }

    /// It may have lain in the target's queue for longer than anybody thought.
    fn has_expired(&self, signed: OffsetDateTime) -> bool {
        OffsetDateTime::now_utc().unix_timestamp() >= expiry(signed, good_for(&self.ladder))
    }

    fn delivered(&self) {
        self.series.delivered.increment(1);
        if self.outage.is_told.swap(false, Ordering::Relaxed) {
            info!(webhook.target = &*self.target, "webhooks are taken again");
        }
    }

    async fn failed(&self, delivery: Delivery, failure: &Failure, window: &Mutex<Window>) -> Result<(), SessionEnd> {
        self.series.failed.increment(1);
        let (target, id, error) = (&*self.target, &*delivery.event_id, failure.to_string());
        let Outage { is_told, hush } = &self.outage;
        if !is_told.load(Ordering::Relaxed) && hush.lifts(Instant::now()) {
            is_told.store(true, Ordering::Relaxed);
            warn!(
                webhook.target = target,
                event.id = id,
                error,
                "webhooks are not taken; they wait and are tried again"
            );
        } else {
            debug!(webhook.target = target, event.id = id, error, "a webhook is not taken");
        }
        let tried = usize::try_from(delivery.attempts).unwrap_or(usize::MAX);
        let delivery = Delivery { attempts: delivery.attempts.saturating_add(1), ..delivery };
        let Some(wait) = self.ladder.get(tried) else {
            return self.bury(&delivery, WebhookDeadReason::Exhausted, &error, window).await;
        };
        let key = Names::webhook_retry_key(target, *wait);
        let message = delivery.outgoing(&self.names.internal(), key, &self.worker_user);
        let fates = window.lock().await.publish(&[message]).await?;
        match fates.first() {
            Some(Fate::Confirmed) => Ok(()),
            Some(Fate::Refused) => self.bury(&delivery, WebhookDeadReason::NoRoom, &error, window).await,
            Some(Fate::TooLarge) => self.bury(&delivery, WebhookDeadReason::TooLarge, &error, window).await,
            Some(Fate::Returned) | None => {
                let error = "the queue of its wait is not bound: `topology declare` binds it";
                self.bury(&delivery, WebhookDeadReason::Unroutable, error, window).await
            }
        }
    }

    async fn bury(
        &self,
        delivery: &Delivery,
        reason: WebhookDeadReason,
        error: &str,
        window: &Mutex<Window>,
    ) -> Result<(), SessionEnd> {
        let letter = delivery.dead(&self.names.internal(), &self.worker_user, reason, error);
        let window = window.lock().await;
        all_confirmed(&window, &[letter]).await?;
        self.losses.add(delivery, reason, error);
        Ok(())
    }
}
