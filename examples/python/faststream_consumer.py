"""Keeps the newest state of every member, from the events; prints one line an event. With FastStream.

Usage: AMQP_URL=amqp://USER:PASSWORD@HOST/VHOST STORE=store.sqlite [QUEUE=…] faststream_consumer.py
"""
import asyncio
import json
import os
import sqlite3
import sys
import uuid

from faststream import AckPolicy, FastStream
from faststream.exceptions import RejectMessage
from faststream.rabbit import Channel, ExchangeType, QueueType, RabbitBroker, RabbitExchange, RabbitMessage, RabbitQueue

TABLE = """CREATE TABLE IF NOT EXISTS members (
    site TEXT, member TEXT, sequence INTEGER NOT NULL, entity TEXT NOT NULL, PRIMARY KEY (site, member))"""
# The sequence guard. The comparison and the effect are one statement, so no crash and no second consumer comes between
# them. PostgreSQL takes it as well. Where the effect is something else, do it in the transaction of this one.
KEEP = """INSERT INTO members VALUES (:site, :member, :sequence, :entity) ON CONFLICT (site, member)
    DO UPDATE SET sequence = excluded.sequence, entity = excluded.entity WHERE excluded.sequence > members.sequence"""
# FastStream handles as many at once as it is given: one, and they stay in order. The guard needs no order, but what is
# handled in order is not dropped for being late.
broker = RabbitBroker(os.environ["AMQP_URL"], default_channel=Channel(prefetch_count=1), logger=None)
queue = RabbitQueue(os.environ.get("QUEUE", "member-consumer.faststream"), durable=True, queue_type=QueueType.QUORUM,
                    routing_key="wix.members.v1.member_updated")
exchange = RabbitExchange("members.events", type=ExchangeType.TOPIC, declare=False)
store = sqlite3.connect(os.environ["STORE"])
store.execute(TABLE)


def read(headers, body):
    event = json.loads(body)  # fields that are not known here are no reason to stop
    sequence = int(event["entityEventSequence"])  # a number sent as text: "10" comes after "9"
    if not 0 < sequence < 2**63:
        raise ValueError(f"{sequence} is no sequence")
    return {"id": event["id"], "site": str(uuid.UUID(headers["siteId"])), "member": str(uuid.UUID(event["entityId"])),
            "sequence": sequence, "entity": json.dumps(event["updatedEvent"]["currentEntity"])}


async def untouched(message: RabbitMessage) -> bytes:
    return message.body


# NACK_ON_ERROR: what fails here for any other reason than its content comes again. So the body is read by hand: what
# FastStream itself could not read would come again for ever.
@broker.subscriber(queue, exchange, ack_policy=AckPolicy.NACK_ON_ERROR, decoder=untouched)
async def on_event(message: RabbitMessage):
    try:
        event = read(message.headers, message.body)
    except Exception as error:
        print(f"event {message.message_id} cannot be read: {error!r}", file=sys.stderr, flush=True)
        raise RejectMessage from error
    with store:  # on disk when it ends
        what = "kept" if store.execute(KEEP, event).rowcount == 1 else "dropped"
    print(event["id"], event["site"], event["member"], event["sequence"], what, flush=True)


asyncio.run(FastStream(broker, logger=None).run())
