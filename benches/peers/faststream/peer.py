"""FastStream, asyncpg, redis-py: a request in, the member public, its cache entry written, its event confirmed."""

import json
import logging
import os
import uuid
from contextlib import asynccontextmanager
from typing import Annotated, Literal

import asyncpg
import redis.asyncio
from faststream import AckPolicy, Context, ContextRepo, FastStream
from faststream.exceptions import RejectMessage
from faststream.rabbit import Channel, ExchangeType, RabbitBroker, RabbitExchange, RabbitMessage, RabbitQueue
from pydantic import BaseModel, Field, ValidationError, model_validator

PREFETCH = int(os.environ.get("PEER_PREFETCH", "200"))
CACHE_PREFIX = os.environ["PEER_CACHE_PREFIX"]
CACHE_TTL = 24 * 60 * 60
POOL = 20
PUBLIC_FIELDS = ("id", "contactId", "createdDate", "updatedDate", "privacyStatus", "profile")

RECEIVE = """
    INSERT INTO inbox (site_id, request_id, verdict) VALUES ($1, $2, 'joined') ON CONFLICT DO NOTHING RETURNING 1
"""
JOIN = """
    UPDATE members
    SET privacy_status = 'PUBLIC', event_sequence = event_sequence + 1,
        updated_date = greatest(date_trunc('milliseconds', now()), updated_date)
    WHERE site_id = $1 AND id = $2 AND status = 'APPROVED' AND privacy_status <> 'PUBLIC'
    RETURNING login_email, status, privacy_status, contact_id, contact, profile, created_date, updated_date,
        event_sequence
"""
NOT_JOINED = """
    UPDATE inbox SET verdict = CASE WHEN EXISTS (
        SELECT FROM members WHERE site_id = $1 AND id = $3 AND privacy_status = 'PUBLIC'
    ) THEN 'already_joined' ELSE 'rejected' END
    WHERE site_id = $1 AND request_id = $2
"""
OWE = "INSERT INTO outbox (site_id, request_id, event) VALUES ($1, $2, $3)"
OWED = "SELECT event FROM outbox WHERE site_id = $1 AND request_id = $2"
PAID = "DELETE FROM outbox WHERE site_id = $1 AND request_id = $2"


class Identity(BaseModel):
    identity_type: Literal["MEMBER"] = Field(alias="identityType")
    member_id: uuid.UUID = Field(alias="memberId")


class Request(BaseModel):
    site_id: uuid.UUID = Field(alias="siteId")
    member_id: uuid.UUID = Field(alias="memberId")
    identity: Identity

    @model_validator(mode="after")
    def asks_for_itself(self) -> "Request":
        if self.identity.member_id != self.member_id:
            raise ValueError("a member can only ask for itself")
        return self


broker = RabbitBroker(
    os.environ["PEER_AMQP_URL"],
    default_channel=Channel(on_return_raises=True),
    graceful_timeout=15,
    log_level=logging.DEBUG,  # two lines a message, which nobody writes in production
)
events = broker.publisher(
    exchange=RabbitExchange(os.environ["PEER_EVENTS_EXCHANGE"], type=ExchangeType.TOPIC, declare=False),
    routing_key="wix.members.v1.member_updated",
    persist=True,
    mandatory=True,
)


async def untouched(_: asyncpg.Connection) -> None: ...


@asynccontextmanager
async def lifespan(context: ContextRepo):
    url = os.environ["PEER_DATABASE_URL"]
    cache = redis.asyncio.Redis.from_url(os.environ["PEER_REDIS_URL"])
    # Nothing here changes a session, so nothing has to be reset when it goes back to the pool.
    async with asyncpg.create_pool(url, min_size=POOL, max_size=POOL, reset=untouched) as pool, cache:
        context.set_global("pool", pool)
        context.set_global("cache", cache)
        yield


app = FastStream(broker, lifespan=lifespan)


@broker.subscriber(
    RabbitQueue(os.environ["PEER_QUEUE"], declare=False),
    channel=Channel(prefetch_count=PREFETCH),
    ack_policy=AckPolicy.NACK_ON_ERROR,
)
async def join(
    message: RabbitMessage,
    pool: Annotated[asyncpg.Pool, Context()],
    cache: Annotated[redis.asyncio.Redis, Context()],
) -> None:
    request_id = message.raw_message.message_id
    try:
        request = Request.model_validate_json(message.body)
    except ValidationError as error:
        raise RejectMessage from error
    if not request_id:
        raise RejectMessage
    async with pool.acquire() as connection:
        event = await commit(connection, request, request_id)
    if event is None:
        return
    member = event["updatedEvent"]["currentEntity"]
    profile = json.dumps({name: member[name] for name in PUBLIC_FIELDS})
    await cache.set(f"{CACHE_PREFIX}:{request.site_id}:{request.member_id}", profile, ex=CACHE_TTL)
    await events.publish(event, message_id=event["id"], message_type="wix.members.v1.member_updated")
    await pool.execute(PAID, request.site_id, request_id)


async def commit(connection: asyncpg.Connection, request: Request, request_id: str) -> dict | None:
    """The event that is owed for this request, or nothing: the member was public, or all is paid."""
    async with connection.transaction():
        if not await connection.fetchval(RECEIVE, request.site_id, request_id):
            owed = await connection.fetchval(OWED, request.site_id, request_id)
            return owed and json.loads(owed)
        row = await connection.fetchrow(JOIN, request.site_id, request.member_id)
        if row is None:
            await connection.execute(NOT_JOINED, request.site_id, request_id, request.member_id)
            return None
        event = member_updated(request.member_id, row)
        await connection.execute(OWE, request.site_id, request_id, json.dumps(event))
        return event


def member_updated(member_id: uuid.UUID, row: asyncpg.Record) -> dict:
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
                "contact": row["contact"] and json.loads(row["contact"]),
                "profile": row["profile"] and json.loads(row["profile"]),
                "createdDate": date(row["created_date"]),
                "updatedDate": updated,
            }
        },
    }


def date(value) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03}Z"
