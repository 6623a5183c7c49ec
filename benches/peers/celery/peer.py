"""Celery, psycopg, redis-py: a task in, the member public, its cache entry written, its event confirmed."""

import json
import os
import uuid

import psycopg
import redis
from celery import Celery, signals
from celery.exceptions import Reject
from kombu import Exchange, Queue
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

PREFORK = os.environ.get("PEER_POOL", "prefork") == "prefork"
# How many tasks a process runs at once: a prefork child one, a gevent worker all that it may hold.
CONCURRENCY = int(os.environ.get("PEER_CONCURRENCY", "1"))
EVENT = "wix.members.v1.member_updated"
CACHE_TTL = 24 * 60 * 60
POOL = 1 if PREFORK else 20
PUBLIC_FIELDS = ("id", "contactId", "createdDate", "updatedDate", "privacyStatus", "profile")

RECEIVE = """
    INSERT INTO inbox (site_id, request_id, verdict) VALUES (%s, %s, 'joined') ON CONFLICT DO NOTHING
"""
JOIN = """
    UPDATE members
    SET privacy_status = 'PUBLIC', event_sequence = event_sequence + 1,
        updated_date = greatest(date_trunc('milliseconds', now()), updated_date)
    WHERE site_id = %s AND id = %s AND status = 'APPROVED' AND privacy_status <> 'PUBLIC'
    RETURNING login_email, status, privacy_status, contact_id, contact, profile, created_date, updated_date,
        event_sequence
"""
NOT_JOINED = """
    UPDATE inbox SET verdict = CASE WHEN EXISTS (
        SELECT FROM members WHERE site_id = %(site)s AND id = %(member)s AND privacy_status = 'PUBLIC'
    ) THEN 'already_joined' ELSE 'rejected' END
    WHERE site_id = %(site)s AND request_id = %(request)s
"""
OWE = "INSERT INTO outbox (site_id, request_id, event) VALUES (%s, %s, %s)"
OWED = "SELECT event FROM outbox WHERE site_id = %s AND request_id = %s"
PAID = "DELETE FROM outbox WHERE site_id = %s AND request_id = %s"

QUEUE = os.environ["PEER_QUEUE"]
app = Celery("peer", broker=os.environ["PEER_AMQP_URL"], set_as_current=True)
app.conf.update(
    # Declared by whoever runs this. That it is a quorum queue turns Celery's global prefetch off.
    task_queues=[
        Queue(QUEUE, Exchange(""), routing_key=QUEUE, no_declare=True, queue_arguments={"x-queue-type": "quorum"})
    ],
    task_default_queue=QUEUE,
    task_default_exchange="",
    task_default_routing_key=QUEUE,
    broker_native_delayed_delivery_queue_type="quorum",
    worker_detect_quorum_queues=True,
    worker_prefetch_multiplier=max(1, int(os.environ.get("PEER_PREFETCH", "200")) // CONCURRENCY),
    # A task is acknowledged when its work is done, and comes again if its process dies.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    # A message counts as sent when the broker has confirmed it.
    broker_transport_options={"confirm_publish": True},
    broker_connection_retry_on_startup=True,
    # Connections for publishing: one for each task that runs at once, as Celery advises.
    broker_pool_limit=10 if PREFORK else CONCURRENCY,
    worker_enable_remote_control=False,
)

cache = redis.Redis.from_url(os.environ["PEER_REDIS_URL"])
pool = ConnectionPool(
    os.environ["PEER_DATABASE_URL"],
    min_size=POOL,
    max_size=POOL,
    open=False,
    kwargs={"row_factory": dict_row, "autocommit": True},  # transactions are begun where they are needed
)


# A connection cannot be shared by forked processes: each child opens its own.
@(signals.worker_process_init if PREFORK else signals.worker_init).connect
def open_pool(**_) -> None:
    pool.open()


@app.task(bind=True, name="join")
def join(self, site_id: str, member_id: str, identity: dict) -> None:
    request_id = self.request.id
    try:
        site, member = uuid.UUID(site_id), uuid.UUID(member_id)
        if identity["identityType"] != "MEMBER" or uuid.UUID(identity["memberId"]) != member:
            raise ValueError("a member can only ask for itself")
    except (KeyError, TypeError, ValueError) as error:
        raise Reject(error, requeue=False) from error
    try:
        with pool.connection() as connection, connection.transaction():
            event = commit(connection, site, member, request_id)
        if event is None:
            return
        entity = event["updatedEvent"]["currentEntity"]
        profile = json.dumps({name: entity[name] for name in PUBLIC_FIELDS})
        cache.set(f"{os.environ['PEER_CACHE_PREFIX']}:{site}:{member}", profile, ex=CACHE_TTL)
        publish(event)
        with pool.connection() as connection:
            connection.execute(PAID, (site, request_id))
    except Exception as error:  # whatever it was, the task comes again and finds what was done
        raise Reject(error, requeue=True) from error


def commit(connection: psycopg.Connection, site: uuid.UUID, member: uuid.UUID, request_id: str) -> dict | None:
    """The event that is owed for this request, or nothing: the member was public, or all is paid."""
    if connection.execute(RECEIVE, (site, request_id)).rowcount == 0:
        owed = connection.execute(OWED, (site, request_id)).fetchone()
        return owed and owed["event"]
    row = connection.execute(JOIN, (site, member)).fetchone()
    if row is None:
        connection.execute(NOT_JOINED, {"site": site, "member": member, "request": request_id})
        return None
    event = member_updated(member, row)
    connection.execute(OWE, (site, request_id, Jsonb(event)))
    return event


def publish(event: dict) -> None:
    with app.producer_pool.acquire(block=True) as producer:
        producer.publish(
            event,
            serializer="json",
            exchange=os.environ["PEER_EVENTS_EXCHANGE"],
            routing_key=EVENT,
            message_id=event["id"],
            type=EVENT,
            delivery_mode="persistent",
            mandatory=True,
            retry=True,
        )


def member_updated(member_id: uuid.UUID, row: dict) -> dict:
    updated = date(row["updated_date"])
    return {
        "id": str(uuid.uuid4()),
        "entityFqdn": "wix.members.v1.member",
        "slug": "updated",
        "entityId": str(member_id),
        "eventTime": updated,
        "triggeredByAnonymizeRequest": False,
        "originatedFrom": "join_community",
        "entityEventSequence": str(row["event_sequence"]),
        "updatedEvent": {
            "currentEntity": {
                "id": str(member_id),
                "loginEmail": row["login_email"],
                "status": row["status"],
                "privacyStatus": row["privacy_status"],
                "contactId": row["contact_id"] and str(row["contact_id"]),
                "contact": row["contact"],
                "profile": row["profile"],
                "createdDate": date(row["created_date"]),
                "updatedDate": updated,
            }
        },
    }


def date(value) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03}Z"
