"""Imports what deploy/rabbitmq/definitions.py prints into the broker of the environment, in a vhost of its own, and lets
each user do what it is there for: a worker with exactly those rights, two shards and webhooks joins a member and has it
leave, refuses another, writes dead letters, posts to a receiver and gives one up. Then each tries what it must not. The
worker runs in the image that DEPLOY_IMAGE names, as an engine would run it (container.py), and its health check is tried;
without one, on a root file system that is read only, where the kernel lets us make one.
Needs the package pika, the services, openssl, and in JOIN_COMMUNITY the program.
"""

import base64
import http.server
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import pika

from container import Container

NAME = f"jc_deploy_{os.getpid()}"
PATIENCE = 60
QUEUE = "member-consumer.events"
KEY = "wix.members.v1.member_updated"
DEAD_LETTERS = "join-community.dead-letters"
# In the private services everybody's password is their name; these stay as they are there.
USERS = {"worker": "join-worker", "producer": "member-gateway", "consumer": "member-consumer", "operator": "join-operator"}
REQUEST_KEYS = ["request", "leave"]
given = os.environ
broker = urllib.parse.urlsplit(given["JOIN_COMMUNITY__BROKER__URL"])
database = urllib.parse.urlsplit(given["JOIN_COMMUNITY__DATABASE__URL"])
management = urllib.parse.urlsplit(given["RABBITMQ_MANAGEMENT_URL"])


def url(role):
    return f"amqp://{USERS[role]}:{USERS[role]}@{broker.hostname}:{broker.port}/{NAME}"


with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    LISTEN = "127.0.0.1:%d" % free.getsockname()[1]


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes what is posted to /takes, and nothing that is posted elsewhere."""

    taken = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        takes = self.path == "/takes"
        if takes:
            self.taken.append(body)
        self.send_response(200 if takes else 503)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=receiver.serve_forever, daemon=True).start()
folder = tempfile.TemporaryDirectory()
SIGNING = pathlib.Path(folder.name, "webhook-key")
making = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", SIGNING]
subprocess.run(making, check=True, stderr=subprocess.DEVNULL)
# It reaches the image as a Secret does, for the image's user to read.
pathlib.Path(folder.name).chmod(0o755)
SIGNING.chmod(0o644)
CONTAINER = Container(given["DEPLOY_IMAGE"], folder.name) if "DEPLOY_IMAGE" in given else None
TARGETS = ", ".join(f'{{ name = "{name}", url = "http://127.0.0.1:{receiver.server_port}/{name}" }}' for name in ("takes", "fails"))
# As deploy/kubernetes has it, but for the addresses. Nothing of the caller's gets in.
ENVIRONMENT = {
    "JOIN_COMMUNITY__BROKER__DECLARE": "false",
    "JOIN_COMMUNITY__BROKER__SHARDS": "2",
    "JOIN_COMMUNITY__BROKER__URL": url("worker"),
    "JOIN_COMMUNITY__BROKER__PRODUCER_URL": url("producer"),
    "JOIN_COMMUNITY__BROKER__OPERATOR_URL": url("operator"),
    "JOIN_COMMUNITY__BROKER__MANAGEMENT_URL": management.geturl(),
    "JOIN_COMMUNITY__DATABASE__URL": database._replace(path=f"/{NAME}").geturl(),
    "JOIN_COMMUNITY__CACHE__URL": given["JOIN_COMMUNITY__CACHE__URL"],
    "JOIN_COMMUNITY__CACHE__PREFIX": NAME,
    "JOIN_COMMUNITY__HTTP__LISTEN": LISTEN,
    "JOIN_COMMUNITY__JOIN__UNKNOWN_MEMBER_RETRIES": "1",
    "JOIN_COMMUNITY__AUTH__PRODUCERS": '[{ user = "member-gateway", identity_types = ["MEMBER"], sites = ["*"] }]',
    "JOIN_COMMUNITY__WEBHOOKS__KEY_FILE": str(SIGNING),
    "JOIN_COMMUNITY__WEBHOOKS__TARGETS": f"[{TARGETS}]",
    "JOIN_COMMUNITY__WEBHOOKS__LADDER": '["100ms"]',
}


def program(*arguments, stdin="", code=0):
    command = [given["JOIN_COMMUNITY"], *arguments]
    try:
        ran = subprocess.run(command, input=stdin, capture_output=True, text=True, env=ENVIRONMENT, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        sys.exit(f"join-community {' '.join(arguments)} has not ended after {PATIENCE} s")
    if code is not None and ran.returncode != code:
        sys.exit(f"join-community {' '.join(arguments)} ended with {ran.returncode}, not {code}:\n{ran.stdout}{ran.stderr}")
    return ran


def manage(method, path, body=None):
    credentials = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    at = f"http://{management.hostname}:{management.port}/api/{path}"
    credentials.add_password(None, at, management.username, management.password)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPBasicAuthHandler(credentials))
    request = urllib.request.Request(at, method=method, data=body and body.encode(), headers={"content-type": "application/json"})
    with opener.open(request, timeout=PATIENCE) as answer:
        return json.loads(answer.read() or "null")


def sql(statement):
    subprocess.run(["psql", "-qX", "-v", "ON_ERROR_STOP=1", database.geturl(), "-c", statement], check=True)


def channel(role):
    return pika.BlockingConnection(pika.URLParameters(url(role))).channel()


def until(what, look):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(0.1)
    sys.exit(f"tests/deploy/rights.py waited {PATIENCE} s in vain: {what}")


def ready():
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://{LISTEN}/readyz", timeout=5) as answer:
            return answer.read()
    except (urllib.error.URLError, OSError):
        return None


def imported():
    passwords = {f"RABBITMQ_{role.upper()}_PASSWORD": user for role, user in USERS.items()}
    exported = program("topology", "export").stdout
    script = pathlib.Path("deploy/rabbitmq/definitions.py")
    definitions = subprocess.run([sys.executable, script], input=exported, capture_output=True, text=True, check=True, env=passwords).stdout
    assert not any(f'"{user}"' in definitions.replace(f'"name": "{user}"', "").replace(f'"user": "{user}"', "") for user in USERS.values())
    # The services' broker may be one on which nobody has declared anything yet: the vhost comes with the definitions.
    manage("POST", "definitions", definitions)
    rights = {each["user"] for each in manage("GET", f"vhosts/{NAME}/permissions")} - {management.username}
    assert rights == set(USERS.values()), rights
    manage("PUT", f"permissions/{NAME}/{management.username}", '{"configure": ".*", "write": ".*", "read": ".*"}')
    # Arguments, bindings, and that no policy takes anything from them. Of policies the broker tells with some delay.
    requests = f"queues/{NAME}/join-community.requests"
    until("the policies are in effect", lambda: manage("GET", requests).get("effective_policy_definition") or None)
    print(program("topology", "verify").stdout.strip().splitlines()[-1])


def limits(queue):
    """What becomes of what a queue has no room for, by the policies that are in effect on it."""
    policy = manage("GET", f"queues/{NAME}/{queue}").get("effective_policy_definition") or {}
    return policy.get("overflow") if policy.get("max-length-bytes") else None


def looks_ahead():
    """What the worker does while one site crowds the queue: a queue that ends with its connection, bound like the shards."""
    looking = channel("worker")
    arguments = {"x-queue-type": "classic", "x-max-length": 10_000}
    looking.queue_declare("join-community.ahead", exclusive=True, auto_delete=True, arguments=arguments)
    for key in REQUEST_KEYS:
        looking.queue_bind("join-community.ahead", "join-community", key)
    looking.basic_consume("join-community.ahead", lambda *_: None, auto_ack=True)
    looking.connection.close()


def announced(consumer, member, status):
    _, _, body = until(f"the event {status}", lambda: (got := consumer.basic_get(QUEUE, auto_ack=True))[0] and got)
    event = json.loads(body)
    assert (event["entityId"], event["updatedEvent"]["currentEntity"]["privacyStatus"]) == (member, status), event


def told(webhook):
    """What a webhook says of the member. Whether its signature is sound, tests/suite looks."""
    claims = json.loads(base64.urlsafe_b64decode(webhook.split(b".")[1] + b"=="))
    event = json.loads(json.loads(claims["data"])["data"])
    return event["updatedEvent"]["currentEntity"]["privacyStatus"]


def given_up():
    """The dead letter of the receiver that takes nothing, as the operator sees it."""
    operator = channel("operator")
    queue = "join-community.webhooks.dead-letters.fails"
    _, properties, _ = until("the dead webhook", lambda: (got := operator.basic_get(queue))[0] and got)
    reason = {name: properties.headers[f"x-join-community-{name}"] for name in ("target", "reason")}
    assert reason == {"target": "fails", "reason": "exhausted"}, properties
    operator.connection.close()


def everybody_does_what_they_are_there_for():
    consumer = channel("consumer")
    consumer.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    consumer.queue_bind(QUEUE, "members.events", KEY)
    until("a consumer's queue has a limit", lambda: limits(QUEUE) == "reject-publish" or None)
    site, member, stranger = (str(uuid.uuid4()) for _ in range(3))
    lines = json.dumps({"id": member, "profile": {"nickname": "Ada"}})
    program("members", "import", "--site", site, "-", "--why", "a test", stdin=lines)

    ask = ("enqueue", "--site", site, "--wait", "--output", "json", "--member")
    assert '"PUBLIC"' in program(*ask, member, "--as", f"MEMBER:{member}", code=None).stdout
    # By way of the retry ladder.
    assert "NOT_FOUND" in program(*ask, stranger, "--as", f"MEMBER:{stranger}", code=None).stdout
    announced(consumer, member, "PUBLIC")
    until("the cache entry", lambda: program("cache", "verify", "--site", site, code=None).returncode == 0 or None)
    # By a binding of its own.
    assert '"PRIVATE"' in program(*ask, member, "--as", f"MEMBER:{member}", "--leave", code=None).stdout
    announced(consumer, member, "PRIVATE")
    until("the tombstone", lambda: program("cache", "verify", "--site", site, code=None).returncode == 0 or None)
    until("both webhooks", lambda: True if {"PUBLIC", "PRIVATE"} <= set(map(told, Receiver.taken)) else None)
    given_up()

    channel("producer").basic_publish("join-community", "request", b"not JSON", pika.BasicProperties(message_id="malformed"))
    listed = ("dead-letters", "list", "--output", "json")
    until("the dead letter, seen by the operator", lambda: True if "malformed" in program(*listed).stdout else None)


def nobody_does_more():
    deny = {
        "the worker declares a queue": lambda: channel("worker").queue_declare("join-community.more", durable=True),
        "the worker deletes a queue": lambda: channel("worker").queue_delete("join-community.requests"),
        "the worker deletes the exchange of the events": lambda: channel("worker").exchange_delete("members.events"),
        "the worker declares a shard": lambda: channel("worker").queue_declare("join-community.requests.3", durable=True),
        "the worker unbinds the requests": lambda: channel("worker").queue_unbind("join-community.requests", "join-community", "request"),
        "the worker unbinds a shard": lambda: channel("worker").queue_unbind("join-community.requests.1", "join-community.shards", "1"),
        "the worker unbinds all shards": lambda: channel("worker").exchange_unbind("join-community.shards", "join-community", "request"),
        "the worker unbinds the webhooks": lambda: channel("worker").queue_unbind("join-community.webhooks", "members.events", KEY),
        "the worker unbinds the dead letters": lambda: channel("worker").queue_unbind(DEAD_LETTERS, "join-community.internal", "dead"),
        "the worker takes dead letters": lambda: channel("worker").basic_get(DEAD_LETTERS),
        "the worker declares a queue of webhooks": lambda: channel("worker").queue_declare("join-community.webhooks.to.more", durable=True),
        "a producer takes requests": lambda: channel("producer").basic_get("join-community.requests"),
        "a producer takes requests of a shard": lambda: channel("producer").basic_get("join-community.requests.1"),
        "a producer looks ahead": lambda: channel("producer").queue_declare("join-community.ahead", exclusive=True),
        "a consumer reads webhooks": lambda: channel("consumer").basic_get("join-community.webhooks.to.takes"),
        "an operator reads webhooks": lambda: channel("operator").basic_get("join-community.webhooks.to.takes"),
        "a producer reads events": lambda: channel("producer").basic_get("members.events.unrouted"),
        "a producer declares a queue": lambda: channel("producer").queue_declare("member-gateway.more"),
        "a consumer takes requests": lambda: channel("consumer").basic_get("join-community.requests"),
        "a consumer reads dead letters": lambda: channel("consumer").basic_get("join-community.dead-letters"),
        "a consumer listens to requests": lambda: channel("consumer").queue_bind(QUEUE, "join-community", "request"),
        "an operator takes requests": lambda: channel("operator").basic_get("join-community.requests"),
        "an operator empties the dead letters": lambda: channel("operator").queue_delete("join-community.dead-letters"),
    }
    for role, exchanges in {
        "producer": ["join-community.internal", "members.events", "members.events.unrouted", ""],
        "worker": ["join-community.shards", "members.events.unrouted"],
        "consumer": ["join-community", "join-community.internal", "members.events", ""],
        "operator": ["join-community", "join-community.internal", "members.events", ""],
    }.items():
        for exchange in exchanges:
            deny[f"the {role} publishes to exchange {exchange!r}"] = lambda role=role, exchange=exchange: published(role, exchange)
    # What all trust in producers rests on: no user may be tagged `impersonator`.
    deny["a producer publishes as the worker"] = lambda: published("producer", "join-community", user_id=USERS["worker"])
    for what, tried in deny.items():
        try:
            tried()
        except pika.exceptions.ChannelClosedByBroker as refused:
            assert refused.reply_code == (406 if "publishes as" in what else 403), (what, refused)
        else:
            sys.exit(f"tests/deploy/rights.py: nobody keeps it from happening that {what}")
    print(f"{len(deny)} things that nobody may do were refused")


def published(role, exchange, **properties):
    sender = channel(role)
    sender.confirm_delivery()
    sender.basic_publish(exchange, "request", b"{}", pika.BasicProperties(**properties))


# Makes the root and the places that programs like to write to read only, as seen by this one alone. The pod has no place to
# write to at all: what deploy/kubernetes mounts, it mounts read only.
READ_ONLY = """
set -e
mount -o remount,bind,ro /
for place in /tmp /var/tmp /dev/shm /run; do
    if mountpoint -q "$place"; then mount -o remount,bind,ro "$place"; fi
    if touch "$place/join-community-writes" 2>/dev/null; then echo "$place can be written to" >&2; exit 97; fi
done
exec "$@"
"""


def read_only():
    """The command that runs another one so; none, and why, where it cannot be had."""
    why = "unshare (util-linux) is not installed"
    for ways in (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]):
        command = [*ways, "sh", "-c", READ_ONLY, "sh"]
        try:
            tried = subprocess.run([*command, "true"], capture_output=True, text=True, timeout=PATIENCE)
        except FileNotFoundError:
            break
        if tried.returncode == 0:
            return command
        why = tried.stderr.strip()
    what = f"that the worker needs no place to write to was not tried: {' '.join(why.split())}"
    subprocess.run(["scripts/left-out", what], check=True)
    return []


def started(log):
    if CONTAINER:
        command, environment = CONTAINER.command(*CONTAINER.entrypoint, *CONTAINER.arguments), CONTAINER.environment
    else:
        command, environment = [*read_only(), given["JOIN_COMMUNITY"], "run"], {}
    return subprocess.Popen(command, env=environment | ENVIRONMENT, stderr=log, cwd="/")


def health_check_ends_with(code):
    if CONTAINER:
        ended = CONTAINER.run(*CONTAINER.health, **ENVIRONMENT)
        assert ended.returncode == code, (code, ended)


def main():
    with tempfile.TemporaryFile("w+") as log:
        imported()
        looks_ahead()
        program("migrate")
        worker = started(log)
        try:
            until("the worker is ready", lambda: True if worker.poll() is not None else ready())
            health_check_ends_with(0)
            everybody_does_what_they_are_there_for()
            nobody_does_more()
        except BaseException:
            log.seek(0)
            print(f"What the worker said:\n{log.read()}", file=sys.stderr)
            raise
        finally:
            worker.terminate()
            ended = worker.wait(PATIENCE)
        health_check_ends_with(1)
        log.seek(0)
        said = log.read()
        # What it may not do it would go on asking for.
        if ended != 0 or "refused" in said.lower():
            sys.exit(f"the worker ended with {ended}, after:\n{said}")


sql(f"CREATE DATABASE {NAME}")
try:
    main()
finally:
    receiver.shutdown()
    folder.cleanup()
    manage("DELETE", f"vhosts/{NAME}")
    manage("DELETE", "users/member-consumer")
    sql(f"DROP DATABASE {NAME} WITH (FORCE)")
