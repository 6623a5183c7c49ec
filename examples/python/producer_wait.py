"""Asks for a member to join the community, or with METHOD=leave to leave it, and waits for the answer.

Usage: AMQP_URL=amqp://USER:PASSWORD@HOST/VHOST producer_wait.py SITE MEMBER [REQUEST_ID]
Exit code: 0 done, 1 refused, 75 not known: ask again under the same request id.
"""
import json
import os
import sys
import time
import uuid

import pika.exceptions

TIMEOUT, METHOD = float(os.environ.get("TIMEOUT", "10")), os.environ.get("METHOD", "join")


class Gateway:
    def __init__(self, url):
        parameters = pika.URLParameters(url)
        parameters.blocked_connection_timeout = TIMEOUT  # a broker in alarm takes nothing and says nothing
        self.user, self.connection = parameters.credentials.username, pika.BlockingConnection(parameters)
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.replies = {}  # by correlation id: an answer may come twice or never
        self.channel.basic_consume("amq.rabbitmq.reply-to", self.take, auto_ack=True)

    def take(self, _channel, _method, properties, body):
        self.replies[properties.correlation_id] = properties.headers["status"], json.loads(body)

    def ask(self, body, properties):
        properties.reply_to, properties.user_id, properties.delivery_mode = "amq.rabbitmq.reply-to", self.user, 2
        self.replies.clear()
        key = "leave" if properties.type == "leave-community.v1" else "request"
        # Returns once the request lies in its queue; raises if it is returned or refused.
        self.channel.basic_publish("join-community", key, body, properties, mandatory=True)
        deadline = time.monotonic() + TIMEOUT
        while properties.correlation_id not in self.replies:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no answer within {TIMEOUT:g} s")
            self.connection.process_data_events(time_limit=0.5)
        return self.replies[properties.correlation_id]


def main(site, member, request_id=None):
    request_id, identity = request_id or str(uuid.uuid4()), {"identityType": "MEMBER", "memberId": member}
    body = json.dumps({"siteId": site, "memberId": member, "identity": identity}).encode()
    properties = pika.BasicProperties(message_id=request_id, correlation_id=request_id, content_type="application/json",
                                      type=f"{METHOD}-community.v1", headers={"memberId": member.lower()})
    try:
        status, answer = Gateway(os.environ["AMQP_URL"]).ask(body, properties)
    except (pika.exceptions.AMQPError, OSError) as error:
        print(f"request {request_id}: {error!r}; ask again under the same id", file=sys.stderr)
        return 75
    print(json.dumps({"requestId": request_id, "status": status, **answer}))
    return 0 if status == 200 else 1  # a 4xx stays one under this id: mend what it names, take a new id


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
