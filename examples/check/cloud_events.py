"""Reads an event with the official CloudEvents SDK for Python, and prints what the SDK made of it.
Usage: cloud_events.py QUEUE to take one by AMQP 0-9-1, or no argument for one that amqp-1.0.mjs has printed, on stdin."""
import base64
import json
import os
import sys

import pika
from cloudevents.core.bindings.amqp import AMQPMessage, from_binary
from cloudevents.core.formats.json import JSONFormat

if len(sys.argv) > 1:
    channel = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])).channel()
    method, properties, body = channel.basic_get(sys.argv[1])
    channel.basic_ack(method.delivery_tag)
    message = AMQPMessage({"content-type": properties.content_type}, properties.headers, body)
else:
    seen = json.load(sys.stdin)
    properties = {"content-type": seen["properties"]["content_type"]}
    message = AMQPMessage(properties, seen["application_properties"], base64.b64decode(seen["body"]))
event = from_binary(message, JSONFormat())
attributes = event.get_attributes() | {"time": event.get_time().isoformat(timespec="milliseconds").replace("+00:00", "Z")}
print(json.dumps({"attributes": attributes, "data": event.get_data()}))
