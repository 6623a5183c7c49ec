#!/usr/bin/env python3
"""Prints RabbitMQ definitions (JSON) for production: four users with the least that each needs, the policies that queues
need, and the exchanges, queues and bindings that come on stdin. Needs Python alone.

    export RABBITMQ_WORKER_PASSWORD=… RABBITMQ_PRODUCER_PASSWORD=… RABBITMQ_CONSUMER_PASSWORD=… RABBITMQ_OPERATOR_PASSWORD=…
    join-community topology export | deploy/rabbitmq/definitions.py >definitions.json
    rabbitmqctl import_definitions definitions.json

All in the vhost of `broker.url`, which is made as well. Only salted hashes of the passwords are printed. What is imported
again replaces users, rights and policies of these names, and leaves queues and everything else alone. For development
there is config/rabbitmq/definitions.sh, whose worker may declare.
"""

import base64
import hashlib
import json
import os
import pathlib
import sys

PERMISSIONS = pathlib.Path(__file__).parents[2] / "config" / "rabbitmq" / "permissions.json"

# User, role, tags. A second producer or consumer is a login of its own: the broker's word for who sent a message, and what
# the worker trusts (auth.producers), is this name.
USERS = [
    ("join-worker", "worker", []),
    ("member-gateway", "producer", []),
    ("member-consumer", "consumer", []),
    # Sees queues in the management API; changes nothing there.
    ("join-operator", "operator", ["monitoring"]),
]

# Laid over the rights in config/rabbitmq/permissions.json.
RIGHTS = {
    # Where everything is declared by these definitions, the worker makes nothing but queues that end with its connection.
    # To bind or unbind takes `write` on what is bound and `read` on the exchange. What stays bound it may only read. Dead
    # letters are the exception: it is not to take them, but RabbitMQ 4.3.1 wants some right of whoever asks whether a queue
    # is there, so that is `write`; what they are bound to, `join-community.internal`, it may not read.
    "worker": {
        "configure": r"^(join-community\.ahead|amq\.gen.*)$",
        "write": r"^(join-community(\.ahead|\.internal|\.discarded|(\.webhooks)?\.dead-letters(\.[a-z0-9-]+)?)?"
                 r"|members\.events|amq\.gen.*|amq\.default)$",
        "read": r"^(join-community(\.requests(\.[1-9][0-9]?)?|\.shards|\.ahead|\.retry\.(1s|5s|30s|2m|10m)"
                r"|\.webhooks(\.to\.[a-z0-9.-]+)?)?|members\.events(\.unrouted)?|amq\.gen.*)$",
    },
    # Its own queues, which begin with its name, bound to the events; requests and dead letters are none of its business.
    "consumer": {
        "configure": r"^member-consumer\..*$",
        "write": r"^member-consumer\..*$",
        "read": r"^(member-consumer\..*|members\.events)$",
    },
}

POLICIES = [
    # Counts when a queue is declared: leaders spread over the nodes, for each is one process of one node.
    {
        "name": "join-community-leaders",
        "pattern": r"^(join-community\.|members\.events\.|member-consumer\.)",
        "apply-to": "queues",
        "priority": 0,
        "definition": {"queue-leader-locator": "balanced"},
    },
    # A consumer that is gone must not fill the disk, where the broker would block every publisher. What its full queue
    # rejects is not confirmed, so it stays owed and is sent again: late for everybody, lost for nobody.
    {
        "name": "member-consumer-queues",
        "pattern": r"^member-consumer\.",
        "apply-to": "queues",
        "priority": 1,
        "definition": {
            "queue-leader-locator": "balanced",
            "max-length-bytes": 4 * 1024**3,
            "overflow": "reject-publish",
        },
    },
]


def password_hash(role):
    """RabbitMQ's own scheme: base64(salt, sha256(salt, password)), salt of four bytes."""
    name = f"RABBITMQ_{role.upper()}_PASSWORD"
    password = os.environ.get(name)
    if not password:
        sys.exit(f"definitions.py: {name} is not set")
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def main():
    topology = json.load(sys.stdin)
    [vhost] = {thing["vhost"] for things in topology.values() for thing in things}
    if "join-community" not in {exchange["name"] for exchange in topology["exchanges"]}:
        sys.exit("definitions.py: the rights are for names without broker.prefix; give each installation a vhost instead")
    roles = json.loads(PERMISSIONS.read_text())
    users = [
        {"name": name, "password_hash": password_hash(role), "hashing_algorithm": "rabbit_password_hashing_sha256",
         "tags": ",".join(tags), "limits": {}}
        for name, role, tags in USERS
    ]
    rights = [{"user": name, "vhost": vhost, **roles.get(role, {}), **RIGHTS.get(role, {})} for name, role, _ in USERS]
    policies = [{"vhost": vhost, **policy} for policy in POLICIES]
    definitions = {"vhosts": [{"name": vhost}], "users": users, "permissions": rights, "policies": policies, **topology}
    print(json.dumps(definitions, indent=2))


main()
