"""An installation of the worker for the checks: a vhost, users, a database and a key prefix of its own, all of which it
removes again. Needs no package, so that what cannot be installed keeps nothing else from being checked."""
import base64
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
VECTORS = ROOT / "contract/v1/vectors"
PATIENCE = 30
# Rights of the broker's users, by what they are there for.
ROLES = json.loads((ROOT / "config/rabbitmq/permissions.json").read_text())
EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}
UPDATED = "wix.members.v1.member_updated"
# What each producer may vouch for: the worker is told, the broker proves who it is.
PRODUCERS = {
    "everything": (["MEMBER", "ANONYMOUS_VISITOR", "WIX_USER", "APP"], True),
    "nothing-elevated": (["MEMBER", "ANONYMOUS_VISITOR", "WIX_USER", "APP"], False),
    "users-only": (["WIX_USER"], False),
    "nobody": ([], False),
}


def vectors(name):
    return json.loads((VECTORS / f"{name}.json").read_text())["vectors"]


# Whatever proxy is configured, nothing here is behind it.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def until(what, reached, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not (value := reached()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return value


class Installation:
    def __init__(self, program, more=""):
        """`more` is configuration that the worker gets as well."""
        self.program, self.more, self.name = program, more, f"jc_examples_{os.getpid()}"
        self.management = urllib.parse.urlsplit(os.environ["RABBITMQ_MANAGEMENT_URL"])
        self.server_url, self.redis_url = (os.environ[f"JOIN_COMMUNITY__{of}__URL"] for of in ("DATABASE", "CACHE"))
        self.database_url = f"{self.server_url.rsplit('/', 1)[0]}/{self.name}"
        self.prefix = f"{self.name}:v1"
        self.folder = tempfile.TemporaryDirectory()
        self.worker = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.operations = f"127.0.0.1:{free.getsockname()[1]}"

    def __enter__(self):
        try:
            self.set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def set_up(self):
        self.sweep()
        self.broker("PUT", f"vhosts/{self.name}", {})
        # As deploy/rabbitmq/definitions.py has it: what begins with its name, and to bind that to the events.
        mine = r"^member-consumer\..*$"
        consumer = {"configure": mine, "write": mine, "read": r"^(member-consumer\..*|members\.events)$"}
        self.permit(self.management.username, EVERYTHING)
        self.permit("join-worker", ROLES["worker"])
        self.permit("join-operator", ROLES["operator"])
        for user, rights in [("consumer", consumer), *((producer, ROLES["producer"]) for producer in PRODUCERS)]:
            self.broker("PUT", f"users/{self.name}.{user}", {"password": user, "tags": ""})
            self.permit(f"{self.name}.{user}", rights)
        self.sql(f"CREATE DATABASE {self.name}", self.server_url)
        self.configure()
        self.run("migrate")
        self.run("topology", "declare")
        # Makes the keys, without which the worker would wait.
        self.token(str(uuid.uuid4()), {"identityType": "MEMBER", "memberId": str(uuid.uuid4())})
        time.sleep(2)  # a quorum queue is not to be trusted in its first two seconds

    def __exit__(self, *_):
        self.stop()
        self.remove(self.name)
        if keys := self.redis("--scan", "--pattern", f"{self.prefix}:*").split():
            self.redis("UNLINK", *keys)
        self.folder.cleanup()

    def sweep(self):
        """Removes what a run that was killed has left: its process is gone."""
        vhosts = [vhost["name"] for vhost in self.broker("GET", "vhosts?columns=name")]
        for name in {re.match(r"jc_examples_[0-9]+|", vhost)[0] for vhost in vhosts} - {""}:
            if not pathlib.Path("/proc", name.rsplit("_", 1)[1]).exists():
                self.remove(name)

    def remove(self, name):
        for user in ["consumer", "shovel", *PRODUCERS]:
            self.broker("DELETE", f"users/{name}.{user}")
        for vhost in (name, f"{name}_refusing", f"{name}_blocks"):
            self.broker("DELETE", f"vhosts/{vhost}")
        for database in (name, f"{name}_blocks"):
            self.sql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)", self.server_url)

    def configure(self):
        producers = "".join(
            f'\n[[auth.producers]]\nuser = "{self.name}.{user}"\nidentity_types = {json.dumps(types)}\nsites = ["*"]\n'
            f"may_elevate = {json.dumps(elevates)}\n"
            for user, (types, elevates) in PRODUCERS.items() if types
        )
        self.config = pathlib.Path(self.folder.name, "config.toml")
        self.config.write_text(f"""
[broker]
url = "{self.amqp("join-worker", "join-worker")}"
operator_url = "{self.amqp("join-operator", "join-operator")}"
[database]
url = "{self.database_url}"
[cache]
url = "{self.redis_url}"
prefix = "{self.prefix}"
ttl = "10m"
[auth]
jwks = "{self.folder.name}/keys/jwks.json"
issuer = "https://login.localhost"
audience = "join-community"
[join]
unknown_member_retries = 0
[log]
filter = "warn"
[http]
listen = "{self.operations}"
{producers}
{self.more}""")

    def amqp(self, user, password=None, vhost=None):
        broker = urllib.parse.urlsplit(os.environ["JOIN_COMMUNITY__BROKER__URL"])
        login = f"{user}:{password}" if password else f"{self.name}.{user}:{user}"
        return f"amqp://{login}@{broker.hostname}:{broker.port}/{vhost or self.name}"

    def permit(self, user, rights, vhost=None):
        self.broker("PUT", f"permissions/{vhost or self.name}/{user}", rights)

    def broker(self, method, path, body=None):
        url = f"http://{self.management.hostname}:{self.management.port}/api/{path}"
        request = urllib.request.Request(url, method=method, data=None if body is None else json.dumps(body).encode())
        login = base64.b64encode(f"{self.management.username}:{self.management.password}".encode()).decode()
        request.add_header("authorization", f"Basic {login}")
        request.add_header("content-type", "application/json")
        try:
            with DIRECT.open(request, timeout=PATIENCE) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            if method == "DELETE" and error.code == 404:
                return None
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def announce(self, body, headers, message_id):
        """Publishes an event as the worker does."""
        properties = {"message_id": message_id, "type": UPDATED, "content_type": "application/json",
                      "delivery_mode": 2, "headers": headers}
        message = {"routing_key": UPDATED, "properties": properties, "payload": body, "payload_encoding": "string"}
        answer = self.broker("POST", f"exchanges/{self.name}/members.events/publish", message)
        assert answer == {"routed": True}, f"an event went nowhere: {answer}"

    def queue(self, name, key=UPDATED):
        self.broker("PUT", f"queues/{self.name}/{name}", {"durable": True, "arguments": {"x-queue-type": "quorum"}})
        self.broker("POST", f"bindings/{self.name}/e/members.events/q/{name}", {"routing_key": key})

    def sql(self, text, url=None):
        command = ["psql", url or self.database_url, "-XqAt", "-v", "ON_ERROR_STOP=1"]
        return self.call(command, text)

    def redis(self, *words):
        return self.call(["redis-cli", "-u", self.redis_url, "--no-auth-warning", *words])

    def run(self, *arguments, stdin=""):
        return self.call([self.program, "--config", str(self.config), *arguments], stdin)

    def call(self, command, stdin=""):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JOIN_COMMUNITY__")}
        ran = subprocess.run(command, input=stdin, text=True, capture_output=True, env=environment)
        assert ran.returncode == 0, f"{' '.join(command)}: ended with {ran.returncode}\n{ran.stderr}"
        return ran.stdout.strip()

    def members(self, site, members):
        """Imports members: id, status, privacy."""
        lines = [{"id": member, "status": status, "privacyStatus": privacy, "loginEmail": f"{member}@example.com",
                  "contactId": str(uuid.uuid4()), "profile": {"nickname": "John Doe", "slug": member}}
                 for member, status, privacy in members]
        lines = "".join(json.dumps(line) + "\n" for line in lines)
        self.run("members", "import", "--site", site, "-", "--why", "a test", stdin=lines)

    def member(self, site, member):
        """A member's record, personal data and all."""
        unmask = ["--unmask", "--why", "to compare", "--output", "json"]
        return json.loads(self.run("members", "show", site, member, *unmask))

    def token(self, site, caller, permission=False, expired=False):
        kind, id = caller["identityType"], next(value for name, value in caller.items() if name != "identityType")
        more = ["--permission", "MEMBERS.MEMBER_JOIN_COMMUNITY"] if permission else []
        more += ["--expires-in=-1h"] if expired else []
        # EdDSA signs in a moment in a development build, RSA does not.
        return self.run("token", "mint", "--site", site, "--as", f"{kind}:{id}", "--algorithm", "EdDSA", *more)

    def start(self):
        log = open(pathlib.Path(self.folder.name, "worker.log"), "ab")
        self.worker = subprocess.Popen([self.program, "--config", str(self.config), "run"], stderr=log, env={
            name: value for name, value in os.environ.items() if not name.startswith("JOIN_COMMUNITY__")})
        until("the worker is ready", self.ready)

    def ready(self):
        assert self.worker.poll() is None, f"the worker ended:\n{self.log()}"
        try:
            with DIRECT.open(f"http://{self.operations}/readyz", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self):
        if self.worker and self.worker.poll() is None:
            self.worker.send_signal(signal.SIGTERM)
            try:
                self.worker.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.worker.kill()
        self.worker = None

    def log(self):
        return pathlib.Path(self.folder.name, "worker.log").read_text()[-4000:]
