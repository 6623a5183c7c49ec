"""Asks for a member to join the community, or with METHOD=leave to leave it, and waits for the answer; with FastStream.

Usage: AMQP_URL=amqp://USER:PASSWORD@HOST/VHOST faststream_producer.py SITE MEMBER [REQUEST_ID]
Exit code: 0 done, 1 refused, 75 not known: ask again under the same request id.
"""
import asyncio
import json
import os
import sys
import uuid
from urllib.parse import urlsplit

from aio_pika.exceptions import AMQPError
from faststream.rabbit import Channel, RabbitBroker

TIMEOUT = float(os.environ.get("TIMEOUT", "10"))


def gateway(url):
    return RabbitBroker(url, default_channel=Channel(on_return_raises=True), logger=None)


async def ask(broker, user, body, **properties):
    """Status and body of the answer. Raises if the request is returned or refused."""
    key = "leave" if properties.get("message_type") == "leave-community.v1" else "request"
    answer = await broker.request(body, exchange="join-community", routing_key=key, mandatory=True, persist=True,
                                  timeout=TIMEOUT, user_id=user, **properties)
    if answer.correlation_id != properties["correlation_id"]:
        raise TimeoutError(f"the answer is to another request, {answer.correlation_id}")
    return answer.headers["status"], json.loads(answer.body)


async def main(site, member, request_id=None):
    url, request_id = os.environ["AMQP_URL"], request_id or str(uuid.uuid4())
    identity, kind = {"identityType": "MEMBER", "memberId": member}, os.environ.get("METHOD", "join") + "-community.v1"
    body = json.dumps({"siteId": site, "memberId": member, "identity": identity}).encode()
    try:
        async with gateway(url) as broker:
            status, answer = await ask(broker, urlsplit(url).username, body, message_id=request_id,
                                       correlation_id=request_id, message_type=kind,
                                       content_type="application/json", headers={"memberId": member.lower()})
    except (AMQPError, OSError) as error:
        print(f"request {request_id}: {error!r}; ask again under the same id", file=sys.stderr)
        return 75
    print(json.dumps({"requestId": request_id, "status": status, **answer}))
    return 0 if status == 200 else 1  # a 4xx stays one under this id: mend what it names, take a new id


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
