//! A worker of an earlier schema, as far as its statements go: it takes requests off the queue, decides them by the rule, and
//! records them by what is kept of it. Its replies are nobody's concern here.

use join_community::domain::to_millis;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicGetOptions};
use serde_json::Value;
use sqlx::{PgConnection, Row as _};
use time::OffsetDateTime;
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::{Installation, PATIENCE};

const REQUESTS: &str = "join-community.requests";
const REQUESTER: &str = "producer:member-gateway";
/// Short: what it does not announce is soon anybody's.
const LEASE: f64 = 0.5;
/// Of no request: none is asked twice.
static DIGEST: [u8; 32] = [7; 32];
/// Where the columns of a member begin in what LOAD answers.
const MEMBER: usize = 6;

/// An old worker. What it has prepared stays prepared, whatever becomes of the schema.
pub(super) struct OldWorker {
    channel: Channel,
    database: PgConnection,
    statements: Vec<(&'static str, &'static str)>,
}

impl OldWorker {
    pub(super) async fn start(installation: &Installation, statements: Vec<(&'static str, &'static str)>) -> Self {
        Self { channel: installation.channel().await, database: installation.stranger().await, statements }
    }

    /// Takes and answers so many requests.
    pub(super) async fn takes(&mut self, count: usize) {
        let work = async {
            let mut taken = 0;
            while taken < count {
                taken += usize::from(self.takes_one().await);
            }
        };
        timeout(PATIENCE, work).await.expect("there is enough for the old worker");
    }

    /// Takes the next request, if there is one.
    async fn takes_one(&mut self) -> bool {
        let next = self.channel.basic_get(REQUESTS.into(), BasicGetOptions::default()).await.unwrap();
        let Some(message) = next else { return false };
        let body: Value = serde_json::from_slice(&message.delivery.data).unwrap();
        let id = |name: &str| body[name].as_str().unwrap().parse::<Uuid>().unwrap();
        let request = message.delivery.properties.message_id().as_ref().unwrap().to_string();
        while !self.records(id("siteId"), id("memberId"), &request).await {}
        assert!(message.delivery.acker.ack(BasicAckOptions::default()).await.unwrap());
        true
    }

    /// Load, decide, commit; `false` if it was overtaken.
    async fn records(&mut self, site: Uuid, member: Uuid, request: &str) -> bool {
        let found = sqlx::query(self.statement("load"))
            .bind(vec![site])
            .bind(vec![request])
            .bind(vec![REQUESTER])
            .bind(vec![Some(member)])
            .fetch_one(&mut self.database)
            .await
            .unwrap();
        if found.get::<Option<Vec<u8>>, _>(1).is_some() {
            return true;
        }
        let (privacy, sequence): (&str, i64) = (found.get(MEMBER + 4), found.get(MEMBER + 13));
        let (verdict, sequence) = match privacy {
            "PRIVATE" => ("joined", sequence + 1),
            _ => ("already_joined", sequence),
        };
        let now = to_millis(OffsetDateTime::now_utc());
        let commit = self.statement("commit");
        let mut ruling = sqlx::query(commit)
            .bind(vec![site])
            .bind(vec![request])
            .bind(vec![REQUESTER])
            .bind(vec![DIGEST.as_slice()])
            .bind(vec![Some(member)])
            .bind(vec![format!("MEMBER:{member}")])
            .bind(vec![false])
            .bind(vec!["producer"])
            .bind(vec![verdict])
            .bind(vec![None::<&str>])
            .bind(vec![None::<&str>])
            .bind(vec![Some(sequence)])
            .bind(vec![now])
            .bind(vec![None::<&str>])
            .bind(now)
            .bind(LEASE);
        // From schema 8 on: the version of the rule, and what was asked for.
        if commit.contains("$18") {
            ruling = ruling.bind(1_i16).bind(vec!["join"]);
        }
        !ruling.fetch_all(&mut self.database).await.unwrap().is_empty()
    }

    /// Claims what is owed to either side and forgets it as paid; answers of how many members.
    pub(super) async fn pays(&mut self) -> usize {
        let mut paid = 0;
        for side in ["claim_events", "claim_cache"] {
            let claim = sqlx::query(self.statement(side)).bind(100_i64).bind(LEASE);
            let claims = claim.fetch_all(&mut self.database).await.unwrap();
            let all = vec![true; claims.len()];
            let forgotten = sqlx::query(self.statement("forget"))
                .bind(claims.iter().map(|claim| claim.get::<Uuid, _>(0)).collect::<Vec<_>>())
                .bind(claims.iter().map(|claim| claim.get::<Uuid, _>(1)).collect::<Vec<_>>())
                .bind(claims.iter().map(|claim| claim.get::<i64, _>(2)).collect::<Vec<_>>())
                .bind(&all)
                .bind(&all)
                .execute(&mut self.database)
                .await
                .unwrap();
            paid += usize::try_from(forgotten.rows_affected()).unwrap();
        }
        paid
    }

    /// Deletes verdicts that are a day old; answers how many.
    pub(super) async fn prunes(&mut self) -> i64 {
        let prune = sqlx::query(self.statement("prune")).bind(86_400_f64).bind(0_i64).bind(160_i64);
        prune.fetch_one(&mut self.database).await.unwrap().get(0)
    }

    fn statement(&self, name: &str) -> &'static str {
        let found = self.statements.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("nothing is kept of {name}")).1
    }
}
