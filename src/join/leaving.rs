//! How a lane lets go of its channel: what was delivered is handled if that can be, and the rest goes back.

use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::lane::{Lane, Pause};
use super::settle::{Gone, Settle};
use crate::rabbitmq::consumer::Deliveries;

impl Lane {
    /// Takes no more, and for a moment handles what was delivered already: whatever goes back is tried alone by whoever gets
    /// it, and has used up one of its deliveries.
    pub(super) async fn finish(&mut self, deliveries: &mut Deliveries, settle: &mut Settle) -> Result<(), Gone> {
        deliveries.cancel(self.desk.broker_timeout).await?;
        let (cut, most) = (CancellationToken::new(), self.desk.steering.chosen().batch);
        let limit = self.desk.finish_limit;
        let work = async {
            while let Some(Some(batch)) = cut.run_until_cancelled(deliveries.next_batch(most)).await {
                self.until_room().await;
                if self.handle(batch, settle, &cut).await?.is_some() {
                    break;
                }
            }
            Ok(())
        };
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => done,
            () = tokio::time::sleep(limit) => {
                cut.cancel();
                work.await
            }
        }
    }

    /// Settles what can be settled; the rest goes back with the channel.
    pub(super) async fn leave(&self, deliveries: Deliveries, mut settle: Settle, pause: Pause) -> Result<(), Gone> {
        settle.acknowledge().await?;
        // A copy under way is confirmed in milliseconds, or not at all: then its delivery goes back, too.
        let limit = self.desk.confirm_timeout;
        if let Ok(settled) = tokio::time::timeout(limit, settle.all_copies()).await {
            settled?;
        }
        deliveries.close(self.desk.broker_timeout).await?;
        debug!(?pause, "lane closed its channel");
        Ok(())
    }
}
