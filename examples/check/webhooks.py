"""Webhooks, by a receiver in another language that verifies them with what that language brings."""
import json
import pathlib
import subprocess
import tempfile
import threading
import uuid

from installation import UPDATED, until
from interop import take
from programs import environment, main_of, node, producers


class Receiver:
    """One that runs, and what it prints of each webhook."""

    def __init__(self):
        self.folder, self.seen = tempfile.TemporaryDirectory(), []
        self.key = pathlib.Path(self.folder.name, "key.pem")
        self.process = subprocess.Popen([*node("webhook.mjs", "check"), str(self.key)], env=environment(), text=True,
                                        stdout=subprocess.PIPE)
        self.url = self.process.stdout.readline().strip()
        threading.Thread(target=lambda: self.seen.extend(map(json.loads, self.process.stdout)), daemon=True).start()

    def configuration(self):
        return (f'[webhooks]\nkey_file = "{self.key}"\ntimeout = "10s"\nladder = ["100ms", "100ms"]\n'
                f'[[webhooks.targets]]\nname = "check"\nurl = "{self.url}"\n')

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def of(self, site):
        return [webhook for webhook in self.seen if webhook.get("instanceId") == site]


def check(installation, report, receiver):
    with report.part("webhooks: verified by Node's own crypto"):
        site, member = str(uuid.uuid4()), str(uuid.uuid4())
        installation.members(site, [(member, "APPROVED", "PRIVATE")])
        installation.queue("example.webhook")
        _, command = producers()[0]
        ended = main_of([*command, site, member], installation.amqp("everything"))
        report.equal("exit code", 0, ended.returncode, ended.stderr)
        first, second, *_ = until("a webhook and its second try", lambda: receiver.of(site)[1:] and receiver.of(site))
        properties, body = take(installation, "example.webhook")
        expected = {
            "eventType": UPDATED, "instanceId": site, "data": json.loads(body), "forged": "refused",
            "identity": json.loads(properties["headers"]["identity"]), "type": "text/plain; charset=utf-8",
        }
        report.equal("the webhook", expected | {"again": False}, first)
        report.equal("the same bytes again", expected | {"again": True}, second)
        report.equal("refused in all", [], [webhook for webhook in receiver.seen if "refused" in webhook])
