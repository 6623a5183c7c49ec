"""Keeps the newest state of every member, from the events; prints one line an event.

Usage: AMQP_URL=amqp://USER:PASSWORD@HOST/VHOST consumer.py STORE.sqlite [QUEUE]
"""
import os
import signal
import sys
import time

import pika
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker

from guard import Members, read


def listen(url, queue, members):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
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
            # What fails in `keep` ends this program, and comes again.
            what = "kept" if members.keep(event) else "dropped"
            print(event["event"], event["site"], event["member"], event["sequence"], what, flush=True)
            channel.basic_ack(method.delivery_tag)


def main(store, queue="example.members"):
    # What is cut off here comes again, and the guard knows it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    members = Members(store)
    while True:
        try:
            listen(os.environ["AMQP_URL"], queue, members)
        except (AMQPConnectionError, ChannelClosedByBroker) as error:
            print(f"RabbitMQ: {error!r}; trying again in 2 s", file=sys.stderr, flush=True)
            time.sleep(2)


if __name__ == "__main__":
    main(*sys.argv[1:])
