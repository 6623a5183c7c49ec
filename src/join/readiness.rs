//! When a lane may begin: it is wanted, everything that it needs is there, and nobody has paused the intake.

use tracing::info;

use super::lane::Lane;
use crate::operations::Dependency;
use crate::postgres::StoreError;
use crate::telemetry::chain;

impl Lane {
    /// Whether `PostgreSQL` answers. A process that asks lives, and so died of no suspect that it left marked when an outage
    /// or the loss of its connection cut the try; only none must be in hand meanwhile.
    async fn serves(&mut self) -> Result<(), StoreError> {
        self.store.probe().await?;
        self.store.schema_suffices().await?;
        let _alone = self.desk.floor.write().await;
        self.store.unmark_process(self.desk.id).await
    }

    /// Waits until the lane is wanted, neither intake nor database is paused, `PostgreSQL` answers, its schema is new enough,
    /// and the keys, if any are configured, were read once.
    pub(super) async fn until_ready(&mut self) {
        self.desk.steering.until_wanted(self.place).await;
        let (controls, mut tries) = (self.desk.controls.clone(), self.desk.tries_of_database());
        self.until_allowed(controls.until_database()).await;
        while let Err(error) = self.serves().await {
            self.desk.health.down(Dependency::Database, chain(&error));
            tries.pause().await;
            self.until_allowed(controls.until_database()).await;
        }
        self.desk.health.up(Dependency::Database);
        if let Some(reason) = self.desk.authenticator.keys_missing() {
            self.desk.health.down(Dependency::Keys, reason);
            info!("waiting for the keys that session tokens are checked with");
            self.desk.authenticator.wait_for_keys().await;
        }
        self.desk.health.up(Dependency::Keys);
        self.until_allowed(controls.until_intake()).await;
        // Another choice may have been made meanwhile, by what operators have set.
        self.prefetch = self.desk.steering.until_wanted(self.place).await.prefetch;
    }

    /// Waits for what operators have to allow. Whoever is told to take nothing serves as it shall.
    async fn until_allowed(&self, allowed: impl Future<Output = ()>) {
        let told = async {
            self.desk.controls.until_paused().await;
            self.desk.health.up(Dependency::Consuming);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = allowed => {}
            () = told => {}
        }
    }
}
