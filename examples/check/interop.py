"""What others make of the worker's events: the official CloudEvents SDKs, an AMQP 1.0 client, a reader of the Members API's
event, and that API's SDK."""
import base64
import copy
import json
import os
import re
import urllib.parse
import uuid

import member_updated
from installation import UPDATED
from members_sdk import given
from programs import HERE, NODE, PYTHON, askers, main_of, node, python

NAMESPACE = uuid.UUID("0c5b2f0e-6d2c-5f6e-9b1d-3a7c4e8f1a20")
# Everything that a member may have, by the Members API's documentation.
RICH = {
    "loginEmail": "claude.morales@example.com", "loginEmailVerified": True, "status": "APPROVED", "privacyStatus": "PRIVATE",
    "activityStatus": "MUTED", "createdDate": "2021-08-02T23:14:42Z", "lastLoginDate": "2021-09-01T10:00:00.236054Z",
    "contactId": "f32cbc51-a331-442b-86c2-2c664613e8b9",
    "contact": {
        "firstName": "Claude", "lastName": "Morales", "birthdate": "1990-02-28", "company": "Acme", "jobTitle": "Baker",
        "phones": ["0747-769-460"], "emails": ["claude@example.com"],
        "addresses": [{"id": "f0f4d905-488d-44db-9080-fc29078cfad5", "country": "GB", "subdivision": "GB-ENG",
                       "streetAddress": {"number": "221b", "name": "Baker Street"}, "postalCode": "NW1"}, {"country": "IL"}],
        "customFields": {"custom.pet-name": {"name": "Pet", "value": "Rex"}, "custom.id": {"name": "No", "value": 7.5}},
    },
    "profile": {"nickname": "Claude", "slug": "claude", "title": "Baker",
                "photo": {"id": "", "url": "//static.example.com/a.jpg", "height": 0, "width": 0},
                "cover": {"id": "c", "url": "", "height": 1, "width": 2, "offsetX": 0, "offsetY": 0}},
}


class Joined:
    """One member who joined, what the record says, and what an event of it must say by the contract."""

    def __init__(self, installation, member, queues):
        self.site, self.member, self.request = (str(uuid.uuid4()) for _ in range(3))
        line = json.dumps({"id": self.member} | member)
        installation.run("members", "import", "--site", self.site, "-", "--why", "a test", stdin=line)
        for queue in queues:
            installation.queue(queue)
        _, command = askers()[0]
        ended = main_of([*command, self.site, self.member, self.request], installation.amqp("everything"))
        assert ended.returncode == 0, f"{command}: {ended.stderr}"
        shown = installation.member(self.site, self.member)
        self.record, sequence = shown["member"], shown["eventSequence"]
        self.attributes = {
            "specversion": "1.0", "id": str(uuid.uuid5(NAMESPACE, f"{self.site}/{self.member}/{sequence}")),
            "source": f"/sites/{self.site}", "type": UPDATED, "subject": self.member, "time": self.record["updatedDate"],
            "datacontenttype": "application/json",
        }
        self.identity = {"identityType": "MEMBER", "memberId": self.member}


def take(installation, queue):
    """One message of a queue, by the management API."""
    asked = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "base64"}
    message, = installation.broker("POST", f"queues/{installation.name}/{queue}/get", asked)
    return message["properties"], base64.b64decode(message["payload"])


def check(installation, report):
    by_shovel = NODE and int(installation.broker("GET", "overview")["rabbitmq_version"].split(".")[0]) < 4
    if by_shovel:
        shovel(installation)
    queues = [f"member-consumer.{of}" for of in ("python", "node", "body", "sdk", "direct")]
    joined = Joined(installation, RICH, queues)
    by_members_api(installation, report, joined)
    if PYTHON:
        by_cloud_events(installation, report, joined, python("cloud_events.py", HERE), "member-consumer.python")
    if NODE:
        by_cloud_events(installation, report, joined, node("cloud-events.mjs", "check"), "member-consumer.node")
        by_amqp_1_0(installation, report, joined, by_shovel)


def by_cloud_events(installation, report, joined, command, queue):
    with report.part(f"CloudEvents SDK, {queue}"):
        ended = main_of([*command, queue], installation.amqp("consumer"))
        seen = json.loads(ended.stdout or "{}")
        report.equal("attributes", joined.attributes, seen.get("attributes"), ended.stderr)
        entity = seen.get("data", {}).get("updatedEvent", {}).get("currentEntity")
        report.equal("the member", joined.record, entity, ended.stderr)


def by_members_api(installation, report, joined):
    with report.part("the Members API's event"):
        properties, body = take(installation, "member-consumer.body")
        event = json.loads(body)
        report.equal("the member", joined.record, member_updated.read(event))
        report.equal("the id of the message", event["id"], properties["message_id"])
        identity = json.loads(properties["headers"]["identity"])
        member_updated.read_identity(identity)
        report.equal("who caused it", joined.identity, identity)
        for what, change in WRONG.items():
            wrong = copy.deepcopy(event)
            change(wrong, wrong["updatedEvent"]["currentEntity"])
            try:
                member_updated.read(wrong)
                came = "read"
            except member_updated.Unreadable:
                came = "refused"
            report.equal(f"that reader and {what}", "refused", came)
        if NODE:
            ended = main_of([*node("members-sdk.mjs", "check"), "member-consumer.sdk"], installation.amqp("consumer"))
            came = json.loads(ended.stdout or "{}")
            report.equal("a handler of the SDK", given(event, joined.site, joined.identity), came, ended.stderr)


# That reader is worth something only if it refuses what those consumers could not read.
WRONG = {
    "a sequence that is a number": lambda event, _: event.update(entityEventSequence=17),
    "a time of another form": lambda event, _: event.update(eventTime="2026-11-24 10:00"),
    "another entity": lambda event, _: event.update(entityFqdn="wix.members.v2.member"),
    "another slug": lambda event, _: event.update(slug="member_updated"),
    "SDK names": lambda _, member: member.update(_id=member.pop("id")),
    "another member": lambda event, _: event.update(entityId=str(uuid.uuid4())),
    "a word in lower case": lambda _, member: member.update(privacyStatus="public"),
    "no list of phones": lambda _, member: member["contact"].pop("phones"),
    "a size that is text": lambda _, member: member["profile"]["photo"].update(height="0"),
    "a custom field without its value": lambda _, member: member["contact"]["customFields"].update({"custom.x": 7}),
    "no entity": lambda event, _: event.update(updatedEvent={}),
}


def by_amqp_1_0(installation, report, joined, by_shovel):
    """On RabbitMQ 4 straight from the queue. On 3.x the plugin leaves out the headers of what came by AMQP 0-9-1; a shovel
    from a queue to another one by AMQP 1.0 carries them over."""
    if not by_shovel:
        with report.part("AMQP 1.0, built in"):
            whole(report, joined, amqp_1_0(report, installation, joined, "/queues/member-consumer.direct"))
        return
    with report.part("AMQP 1.0, by plugin"):
        seen = amqp_1_0(report, installation, joined, "/amq/queue/member-consumer.direct")
        report.equal("headers, which the plugin leaves out", None, seen.get("application_properties"))
    with report.part("AMQP 1.0, by plugin and shovel"):
        whole(report, joined, amqp_1_0(report, installation, joined, "/amq/queue/member-consumer.amqp10"))


def shovel(installation):
    """The commands of README.md as they stand there: two queues, a login that may do nothing else, and a shovel as it."""
    page = (HERE.parent / "README.md").read_text()
    block, = (block for block in re.findall(r"^```sh\n(.*?)^```", page, re.S | re.M) if "parameters/shovel" in block)
    broker = urllib.parse.urlsplit(os.environ["JOIN_COMMUNITY__BROKER__URL"])
    names = {"MANAGEMENT": os.environ["RABBITMQ_MANAGEMENT_URL"], "AMQP": f"{broker.hostname}:{broker.port}",
             "VHOST": installation.name, "LOGIN": f"{installation.name}.shovel", "PASSWORD": "shovel", "no_proxy": "*"}
    installation.call(["env", *map("=".join, names.items()), "bash", "-euo", "pipefail", "-c", block])


def amqp_1_0(report, installation, joined, address):
    """The message at an address, once what is the same by every way has been looked at."""
    ended = main_of([*node("amqp-1.0.mjs", "check"), address], installation.amqp("consumer"))
    report.equal(f"the consumer of {address}", 0, ended.returncode, ended.stderr)
    seen = json.loads(ended.stdout)
    properties = seen["properties"]
    report.equal("message id", joined.attributes["id"], properties.get("message_id"))
    report.equal("media type", "application/json", properties.get("content_type"))
    report.equal("durable", True, properties.get("durable"))
    report.equal("the member", joined.record, member_updated.read(json.loads(base64.b64decode(seen["body"]))))
    return seen


def whole(report, joined, seen):
    headers = seen.get("application_properties", {})
    attributes = {f"cloudEvents:{name}": value for name, value in joined.attributes.items() if name != "datacontenttype"}
    report.equal("attributes", attributes, {name: headers.get(name) for name in attributes})
    ours = {"siteId": joined.site, "requestId": joined.request}
    report.equal("headers", ours, {name: headers.get(name) for name in ours})
    report.equal("who caused it", joined.identity, json.loads(headers.get("identity", "null")))
    if PYTHON:
        ended = main_of(python("cloud_events.py", HERE), "", json.dumps(seen))
        came = json.loads(ended.stdout or "{}").get("attributes")
        report.equal("CloudEvents SDK", joined.attributes, came, ended.stderr)
