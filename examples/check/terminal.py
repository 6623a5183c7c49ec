"""Shells of the checkout, to type into what a page says. What they find there is theirs: `scripts/services env` names a vhost,
a database, keys and a port that nobody else has, and what the examples install goes into copies of their folders. Both are
mounted for these shells alone."""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import uuid

from installation import DIRECT, EVERYTHING, PATIENCE, ROLES, ROOT, until

# Compilers, and registries that may have to be asked.
LONG = 900
# What whoever opens a shell does not have.
OURS = ("JOIN_COMMUNITY__", "RABBITMQ_", "REDIS_", "TLS_", "SERVICES_", "EXAMPLES_", "MAKE", "MFLAGS", "COLOUR")
LEFTOVERS = shutil.ignore_patterns(".venv", "node_modules", "__pycache__", "*.sqlite")
SERVICES = """#!/bin/sh
# In place of scripts/services: those of the environment run already.
[ "$1" != env ] || cat "{}"
"""
ENTERED = """
set -e
mount --bind "$1/services" scripts/services
for folder in python node; do mount --bind "$1/$folder" "examples/$folder"; done
shift
exec "$@"
"""
# What is typed does not come by standard input: what it runs could read that.
TYPED = 'while IFS= read -r -d "" typed <&"$0"; do eval "$typed"; printf "\\n%s %s\\n" "$1" "$?"; done'


def way():
    """How such a shell is entered; none, and why, where nobody may."""
    for each in (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]):
        tried = subprocess.run([*each, "mount", "--bind", str(ROOT), str(ROOT)], capture_output=True, text=True)
        if tried.returncode == 0:
            return each, ""
    return None, tried.stderr.strip()


class Desk:
    """Where the shells are opened."""

    def __init__(self, installation):
        self.installation, self.name, (self.way, _) = installation, f"{installation.name}_blocks", way()
        self.database_url, self.prefix = f"{installation.database_url}_blocks", f"{installation.prefix}:blocks"
        self.folder = pathlib.Path(installation.folder.name, "blocks")
        for folder in ("python", "node"):
            shutil.copytree(ROOT / "examples" / folder, self.folder / folder, ignore=LEFTOVERS)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.operations = f"127.0.0.1:{free.getsockname()[1]}"
        (self.folder / "env").write_text("".join(f"export {name}='{value}'\n" for name, value in self.environment().items()))
        (self.folder / "services").write_text(SERVICES.format(self.folder / "env"))
        (self.folder / "services").chmod(0o755)
        installation.broker("PUT", f"vhosts/{self.name}", {})
        for user, rights in {installation.management.username: EVERYTHING, "join-worker": ROLES["worker"],
                             "member-gateway": ROLES["producer"], "join-operator": ROLES["operator"]}.items():
            installation.permit(user, rights, self.name)
        installation.sql(f"CREATE DATABASE {self.name}", installation.server_url)

    def environment(self):
        def amqp(user):
            return self.installation.amqp(user, user, self.name)

        return {
            "JOIN_COMMUNITY__BROKER__URL": amqp("join-worker"), "JOIN_COMMUNITY__BROKER__PRODUCER_URL": amqp("member-gateway"),
            "JOIN_COMMUNITY__BROKER__OPERATOR_URL": amqp("join-operator"), "JOIN_COMMUNITY__DATABASE__URL": self.database_url,
            "JOIN_COMMUNITY__CACHE__URL": self.installation.redis_url, "JOIN_COMMUNITY__CACHE__PREFIX": self.prefix,
            "JOIN_COMMUNITY__HTTP__LISTEN": self.operations, "CACHE_PREFIX": self.prefix,
            "RABBITMQ_MANAGEMENT_URL": self.installation.management.geturl(),
        }

    def enter(self, command, **more):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | {"NO_COLOR": "1"}
        entered = [*self.way, "sh", "-c", ENTERED, "sh", str(self.folder), *command]
        return subprocess.Popen(entered, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT,
                                start_new_session=True, **more)

    def ready(self):
        try:
            with DIRECT.open(f"http://{self.operations}/readyz", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def bound(self):
        """Queues of the examples' consumers."""
        bindings = self.installation.broker("GET", f"bindings/{self.name}?columns=source,destination")
        return {each["destination"] for each in bindings
                if each["source"] == "members.events" and each["destination"].startswith("member-consumer.")}

    def sql(self, text):
        return self.installation.sql(text, self.database_url)

    def owes_nothing(self):
        """Every change is announced, and in the cache."""
        return self.sql("SELECT count(*) FROM outbox") == "0"


class Terminal:
    """A shell that is typed into; what it says, and all that it starts."""

    def __init__(self, desk):
        self.mark, self.lines = str(uuid.uuid4()), []
        read, self.keyboard = os.pipe()
        self.process = desk.enter(["bash", "-c", TYPED, str(read), self.mark], stdout=subprocess.PIPE, text=True, pass_fds=[read])
        os.close(read)
        threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.keyboard)
        self.signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def signal(self, which):
        """To the shell, and all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, which)

    def said(self):
        return "".join(self.lines)

    def begin(self, command):
        """Does not wait for its end. How far what was said goes before it."""
        before = len(self.lines)
        os.write(self.keyboard, f"{command}\0".encode())
        return before

    def type(self, command):
        """The exit code."""
        before = self.begin(command)
        try:
            until(f"`{command}` ends", lambda: self.ended(before) is not None, LONG)
        except AssertionError:
            print(self.said()[-4000:])
            raise
        return self.ended(before)

    def ended(self, before):
        codes = [line.split()[1] for line in self.lines[before:] if line.startswith(self.mark)]
        return int(codes[0]) if codes else None
