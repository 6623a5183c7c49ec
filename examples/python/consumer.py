"""Keeps the newest state of every member, from the events; prints one line an event.

Usage: AMQP_URL=amqp://USER:PASSWORD@HOST/VHOST consumer.py STORE.sqlite [QUEUE]
"""
import json
import os
import signal
import sqlite3
import sys
import time
import uuid

import pika.exceptions

TABLE = """CREATE TABLE IF NOT EXISTS members (
    site TEXT, member TEXT, sequence INTEGER NOT NULL, entity TEXT NOT NULL, PRIMARY KEY (site, member))"""
# The sequence guard. The comparison and the effect are one statement, so no crash and no second consumer comes between
# them. PostgreSQL takes it as well. Where the effect is something else, do it in the transaction of this one.
KEEP = """INSERT INTO members VALUES (:site, :member, :sequence, :entity) ON CONFLICT (site, member)
    DO UPDATE SET sequence = excluded.sequence, entity = excluded.entity WHERE excluded.sequence > members.sequence"""


def read(headers, body):
    event = json.loads(body)  # fields that are not known here are no reason to stop
    sequence = int(event["entityEventSequence"])  # a number sent as text: "10" comes after "9"
    if not 0 < sequence < 2**63:
        raise ValueError(f"{sequence} is no sequence")
    return {"id": event["id"], "site": str(uuid.UUID(headers["siteId"])), "member": str(uuid.UUID(event["entityId"])),
            "sequence": sequence, "entity": json.dumps(event["updatedEvent"]["currentEntity"])}


def listen(queue):
    with pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_bind(queue, "members.events", "wix.members.v1.member_updated")
        channel.basic_qos(prefetch_count=100)
        for method, properties, body in channel.consume(queue):
            try:
                event = read(properties.headers, body)
            except Exception as error:  # reading asks nobody: what fails here would fail again, for ever
                print(f"event {properties.message_id} cannot be read: {error!r}", file=sys.stderr, flush=True)
                channel.basic_nack(method.delivery_tag, requeue=False)
                continue
            with store:  # on disk when it ends; what fails here ends this program, and comes again
                what = "kept" if store.execute(KEEP, event).rowcount == 1 else "dropped"
            print(event["id"], event["site"], event["member"], event["sequence"], what, flush=True)
            channel.basic_ack(method.delivery_tag)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # what is cut off comes again, and the guard knows it
store = sqlite3.connect(sys.argv[1])
store.execute(TABLE)
while True:
    try:
        listen(sys.argv[2] if len(sys.argv) > 2 else "member-consumer.pika")
    except pika.exceptions.AMQPError as error:
        print(f"RabbitMQ: {error!r}; trying again in 2 s", file=sys.stderr, flush=True)
        time.sleep(2)
