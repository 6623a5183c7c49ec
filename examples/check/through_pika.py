"""Sends what stands on stdin through the pika examples: a list of { properties, headers, body in base64 }. Prints what
came of each: status and body of the answer, or the error. Usage: through_pika.py ask|enqueue"""
import base64
import json
import os
import sys

import pika.exceptions
from producer_enqueue import Outbox
from producer_wait import Gateway


def one(way, message):
    properties = pika.BasicProperties(**message["properties"], headers=message["headers"])
    try:
        answer = way(base64.b64decode(message["body"]), properties)
    except (pika.exceptions.AMQPError, OSError) as error:
        return {"error": repr(error)}
    return dict(zip(("status", "body"), answer)) if answer else {}


url = os.environ["AMQP_URL"]
way = Gateway(url).ask if sys.argv[1] == "ask" else Outbox(url).send
print(json.dumps([one(way, message) for message in json.load(sys.stdin)]))
