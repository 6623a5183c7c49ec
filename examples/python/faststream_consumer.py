"""Keeps the newest state of every member, from the events; prints one line an event. With FastStream.

Usage: AMQP_URL=amqp://USER:PASSWORD@HOST/VHOST STORE=store.sqlite [QUEUE=…] faststream_consumer.py
"""
import asyncio
import os
import sys

from faststream import AckPolicy, FastStream
from faststream.exceptions import RejectMessage
from faststream.rabbit import Channel, ExchangeType, QueueType, RabbitBroker, RabbitExchange, RabbitMessage, RabbitQueue

from guard import Members, read

# FastStream handles as many at once as it is given: one, and they stay in order. The guard needs no order, but what is
# handled in order is not dropped for being late.
broker = RabbitBroker(os.environ["AMQP_URL"], default_channel=Channel(prefetch_count=1), logger=None)
app = FastStream(broker, logger=None)
members = Members(os.environ["STORE"])
queue = RabbitQueue(os.environ.get("QUEUE", "example.members.faststream"), durable=True, queue_type=QueueType.QUORUM,
                    routing_key="wix.members.v1.member_updated")
exchange = RabbitExchange("members.events", type=ExchangeType.TOPIC, declare=False)


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
    what = "kept" if members.keep(event) else "dropped"
    print(event["event"], event["site"], event["member"], event["sequence"], what, flush=True)


if __name__ == "__main__":
    asyncio.run(app.run())
