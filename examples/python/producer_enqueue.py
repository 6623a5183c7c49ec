"""Sends requests to join (METHOD=leave: to leave), waits for no answer: lines `SITE MEMBER REQUEST_ID` on stdin.

Usage: AMQP_URL=amqp://USER:PASSWORD@HOST/VHOST producer_enqueue.py <FILE
Exit code: 0 all lie in the queue, 75 some do not: they are named, and the same file may be sent again.
"""
import json
import os
import sys

import pika
from pika.exceptions import AMQPError, NackError, UnroutableError

TIMEOUT = float(os.environ.get("TIMEOUT", "10"))


class Outbox:
    """A connection that returns from `send` once the broker answers for the request."""

    def __init__(self, url):
        parameters = pika.URLParameters(url)
        parameters.blocked_connection_timeout = TIMEOUT  # a broker in alarm takes nothing and says nothing
        self.user, self.channel = parameters.credentials.username, pika.BlockingConnection(parameters).channel()
        self.channel.confirm_delivery()

    def send(self, body, properties):
        properties.user_id, properties.delivery_mode = self.user, 2
        key = "leave" if properties.type == "leave-community.v1" else "request"
        self.channel.basic_publish("join-community", key, body, properties, mandatory=True)


def request(site, member, request_id):
    body = {"siteId": site, "memberId": member, "identity": {"identityType": "MEMBER", "memberId": member}}
    kind = os.environ.get("METHOD", "join") + "-community.v1"
    return json.dumps(body).encode(), pika.BasicProperties(message_id=request_id, type=kind, content_type="application/json",
                                      headers={"memberId": member.lower()})


def main(lines):
    outbox, unsent = None, 0
    for line in lines:
        site, member, request_id = line.split()
        # The id comes with the request and stays with it: whatever is sent twice counts once.
        for attempt in (1, 2, 3):
            try:
                outbox = outbox or Outbox(os.environ["AMQP_URL"])
                outbox.send(*request(site, member, request_id))
                break
            except (UnroutableError, NackError) as error:  # the broker is there and does not take it
                reason = error
            except (AMQPError, OSError) as error:  # whether it took it is not known: connect anew, send again
                outbox, reason = None, error
        else:
            unsent += 1
            print(f"request {request_id} is not in the queue: {reason!r}", file=sys.stderr)
    return 75 if unsent else 0


if __name__ == "__main__":
    sys.exit(main(sys.stdin))
