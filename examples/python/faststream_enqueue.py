"""Sends requests to join (METHOD=leave: to leave), waits for no answer: lines `SITE MEMBER REQUEST_ID` on stdin.
With FastStream.

Usage: AMQP_URL=amqp://USER:PASSWORD@HOST/VHOST faststream_enqueue.py <FILE
Exit code: 0 all lie in the queue, 75 some do not: they are named, and the same file may be sent again.
"""
import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from aio_pika.exceptions import AMQPError
from faststream.rabbit import Channel, RabbitBroker

TIMEOUT = float(os.environ.get("TIMEOUT", "10"))


def outbox(url):
    return RabbitBroker(url, default_channel=Channel(on_return_raises=True), logger=None)


async def send(broker, user, body, **properties):
    """Returns once the request lies in its queue. Raises if it is returned or refused, or if the broker says nothing."""
    key = "leave" if properties.get("message_type") == "leave-community.v1" else "request"
    await broker.publish(body, exchange="join-community", routing_key=key, mandatory=True, persist=True,
                         timeout=TIMEOUT, user_id=user, **properties)


async def main(lines):
    url, lost, unsent = os.environ["AMQP_URL"], None, 0
    kind = os.environ.get("METHOD", "join") + "-community.v1"
    async with AsyncExitStack() as connected:
        try:
            broker = await connected.enter_async_context(outbox(url))
        except (AMQPError, OSError) as error:  # nothing is sent, and each line is named
            lost = error
        for line in lines:
            # The id comes with the request and stays with it: whatever is sent twice counts once.
            site, member, request_id = line.split()
            identity = {"identityType": "MEMBER", "memberId": member}
            body = json.dumps({"siteId": site, "memberId": member, "identity": identity}).encode()
            try:
                if lost:
                    raise lost
                await send(broker, urlsplit(url).username, body, message_id=request_id, message_type=kind,
                           content_type="application/json", headers={"memberId": member.lower()})
            except (AMQPError, OSError) as error:
                unsent += 1
                print(f"request {request_id} is not in the queue: {error!r}", file=sys.stderr)
    return 75 if unsent else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.stdin)))
