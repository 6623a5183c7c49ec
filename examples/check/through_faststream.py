"""Sends what stands on stdin through the FastStream example: a list of { properties, headers, body in base64 }. Prints
what came of each: status and body of the answer, or the error. Usage: through_faststream.py ask|enqueue"""
import asyncio
import base64
import json
import os
import sys
from urllib.parse import urlsplit

from aio_pika.exceptions import AMQPError
from faststream_enqueue import send
from faststream_producer import ask, gateway


async def one(way, broker, user, message):
    properties = {("message_type" if name == "type" else name): value for name, value in message["properties"].items()}
    properties.pop("app_id", None)  # of the broker object, not of a message
    try:
        answer = await way(broker, user, base64.b64decode(message["body"]), headers=message["headers"], **properties)
    except (AMQPError, OSError) as error:
        return {"error": repr(error)}
    return dict(zip(("status", "body"), answer)) if answer else {}


async def main():
    url, way = os.environ["AMQP_URL"], ask if sys.argv[1] == "ask" else send
    async with gateway(url) as broker:
        user = urlsplit(url).username
        print(json.dumps([await one(way, broker, user, message) for message in json.load(sys.stdin)]))


asyncio.run(main())
