//! What a good programmer writes first: a task for each message, with plain `lapin`, `sqlx` and `redis`, on the peers'
//! tables. It is told where everything is as a peer is.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::StreamExt as _;
use lapin::Confirmation;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel};
use redis::AsyncCommands as _;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::postgres::{PgPool, PgPoolOptions, PgRow};
use sqlx::types::Json;
use sqlx::{Postgres, Row as _, Transaction};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::place::{EVENTS, dial, told};

/// As many database sessions as the peers have.
const SESSIONS: u32 = 20;
/// Seconds.
const TTL: u64 = 24 * 60 * 60;

const RECEIVE: &str =
    "INSERT INTO inbox (site_id, request_id, verdict) VALUES ($1, $2, 'joined') ON CONFLICT DO NOTHING";
const JOIN: &str = "
    UPDATE members
    SET privacy_status = 'PUBLIC', event_sequence = event_sequence + 1,
        updated_date = greatest(date_trunc('milliseconds', now()), updated_date)
    WHERE site_id = $1 AND id = $2 AND status = 'APPROVED' AND privacy_status <> 'PUBLIC'
    RETURNING login_email, status, privacy_status, contact_id, contact, profile, created_date, updated_date, event_sequence";
const NOT_JOINED: &str = "
    UPDATE inbox SET verdict = CASE WHEN EXISTS (
        SELECT FROM members WHERE site_id = $1 AND id = $2 AND privacy_status = 'PUBLIC'
    ) THEN 'already_joined' ELSE 'rejected' END
    WHERE site_id = $1 AND request_id = $3";
const OWE: &str = "INSERT INTO outbox (site_id, request_id, event) VALUES ($1, $2, $3)";
const OWED: &str = "SELECT event FROM outbox WHERE site_id = $1 AND request_id = $2";
const PAID: &str = "DELETE FROM outbox WHERE site_id = $1 AND request_id = $2";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JoinRequest {
    site_id: Uuid,
    member_id: Uuid,
    identity: Identity,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    identity_type: String,
    member_id: Uuid,
}

struct Service {
    pool: PgPool,
    cache: redis::aio::MultiplexedConnection,
    prefix: String,
    publishing: Channel,
}

/// Serves until SIGTERM.
pub(crate) async fn serve(in_flight: u16) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let sessions = PgPoolOptions::new().min_connections(SESSIONS).max_connections(SESSIONS);
    let pool = sessions.connect(&told("DATABASE_URL")?).await?;
    let cache = redis::Client::open(told("REDIS_URL")?)?.get_multiplexed_async_connection().await?;
    let connection = dial(&told("AMQP_URL")?).await?;
    let publishing = connection.create_channel().await?;
    publishing.confirm_select(ConfirmSelectOptions::default()).await?;
    let service = Arc::new(Service { pool, cache, prefix: told("CACHE_PREFIX")?, publishing });
    let consuming = connection.create_channel().await?;
    consuming.basic_qos(in_flight, BasicQosOptions::default()).await?;
    let (queue, options) = (told("QUEUE")?.into(), BasicConsumeOptions::default());
    let mut deliveries = consuming.basic_consume(queue, "".into(), options, FieldTable::default()).await?;
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            Some(handled) = tasks.join_next() => handled?,
            delivery = deliveries.next() => {
                let delivery = delivery.context("the consumer ended")??;
                tasks.spawn(handle(Arc::clone(&service), delivery));
            }
        }
    }
    while tasks.join_next().await.is_some() {}
    connection.close(200, "done".into()).await?;
    Ok(())
}

async fn handle(service: Arc<Service>, delivery: Delivery) {
    let settled = match service.join(&delivery).await {
        Ok(()) => delivery.ack(BasicAckOptions::default()).await,
        Err(error) => {
            eprintln!("tried again: {error:#}");
            delivery.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).await
        }
    };
    if let Err(error) = settled {
        eprintln!("not settled: {error}");
    }
}

impl Service {
    async fn join(&self, delivery: &Delivery) -> Result<()> {
        let request: JoinRequest = serde_json::from_slice(&delivery.data)?;
        let id = delivery.properties.message_id().as_ref().context("no message_id")?.to_string();
        let JoinRequest { site_id, member_id, identity } = request;
        ensure!(
            identity.identity_type == "MEMBER" && identity.member_id == member_id,
            "a member can only ask for itself"
        );
        let mut transaction = self.pool.begin().await?;
        let event = commit(&mut transaction, site_id, member_id, &id).await?;
        transaction.commit().await?;
        let Some(event) = event else { return Ok(()) };

        let mut cache = self.cache.clone();
        let key = format!("{}:{site_id}:{member_id}", self.prefix);
        let _: () = cache.set_ex(key, public(&event).to_string(), TTL).await?;
        self.publish(&event).await?;
        sqlx::query(PAID).bind(site_id).bind(&id).execute(&self.pool).await?;
        Ok(())
    }

    async fn publish(&self, event: &Value) -> Result<()> {
        let id = event["id"].as_str().unwrap_or_default();
        let properties = BasicProperties::default()
            .with_message_id(id.into())
            .with_type(EVENTS.1.into())
            .with_content_type("application/json".into())
            .with_delivery_mode(2);
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let (exchange, key, body) = (EVENTS.0.into(), EVENTS.1.into(), serde_json::to_vec(event)?);
        match self.publishing.basic_publish(exchange, key, options, &body, properties).await?.await? {
            Confirmation::Ack(None) => Ok(()),
            other @ (Confirmation::Ack(Some(_)) | Confirmation::Nack(_) | Confirmation::NotRequested) => {
                bail!("an event was not taken: {other:?}")
            }
        }
    }
}

/// The event that is owed for this request, or nothing: the member was public, or all is paid.
async fn commit(
    transaction: &mut Transaction<'_, Postgres>,
    site: Uuid,
    member: Uuid,
    request: &str,
) -> Result<Option<Value>> {
    let received = sqlx::query(RECEIVE).bind(site).bind(request).execute(&mut **transaction).await?;
    if received.rows_affected() == 0 {
        let owed = sqlx::query_scalar(OWED).bind(site).bind(request).fetch_optional(&mut **transaction).await?;
        return Ok(owed.map(|Json(event)| event));
    }
    let Some(row) = sqlx::query(JOIN).bind(site).bind(member).fetch_optional(&mut **transaction).await? else {
        sqlx::query(NOT_JOINED).bind(site).bind(member).bind(request).execute(&mut **transaction).await?;
        return Ok(None);
    };
    let event = member_updated(member, &row)?;
    sqlx::query(OWE).bind(site).bind(request).bind(Json(&event)).execute(&mut **transaction).await?;
    Ok(Some(event))
}

fn member_updated(member: Uuid, row: &PgRow) -> Result<Value> {
    let updated = row.try_get::<OffsetDateTime, _>("updated_date")?.format(&Rfc3339)?;
    let current = json!({
        "id": member,
        "loginEmail": row.try_get::<Option<String>, _>("login_email")?,
        "status": row.try_get::<String, _>("status")?,
        "privacyStatus": row.try_get::<String, _>("privacy_status")?,
        "contactId": row.try_get::<Option<Uuid>, _>("contact_id")?,
        "contact": row.try_get::<Option<Json<Value>>, _>("contact")?,
        "profile": row.try_get::<Option<Json<Value>>, _>("profile")?,
        "createdDate": row.try_get::<OffsetDateTime, _>("created_date")?.format(&Rfc3339)?,
        "updatedDate": updated,
    });
    Ok(json!({
        "id": Uuid::new_v4(),
        "entityFqdn": "wix.members.v1.member",
        "slug": "updated",
        "entityId": member,
        "eventTime": updated,
        "triggeredByAnonymizeRequest": false,
        "originatedFrom": "join_community",
        "entityEventSequence": row.try_get::<i64, _>("event_sequence")?.to_string(),
        "updatedEvent": { "currentEntity": current },
    }))
}

fn public(event: &Value) -> Value {
    let entity = &event["updatedEvent"]["currentEntity"];
    let fields = ["id", "contactId", "createdDate", "updatedDate", "privacyStatus", "profile"];
    fields.into_iter().map(|field| (field.to_owned(), entity[field].clone())).collect()
}
