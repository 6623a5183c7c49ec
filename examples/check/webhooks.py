"""Webhooks, by a receiver in another language: it verifies them with what that language brings, and with the Members API's
SDK, whose handler is given what they say."""
import json
import pathlib
import subprocess
import tempfile
import threading

from installation import UPDATED, VECTORS, until, vectors
from interop import RICH, Joined, take
from members_sdk import given
from programs import environment, main_of, node


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
    with report.part("webhooks: verified by Node's own crypto and by the Members API's SDK"):
        joined = Joined(installation, RICH, ["member-consumer.webhook"])
        first, second, *_ = until("a webhook and its second try", lambda: (
            receiver.of(joined.site)[1:] and receiver.of(joined.site)))
        event = json.loads(take(installation, "member-consumer.webhook")[1])
        report.equal("the member", joined.record, event["updatedEvent"]["currentEntity"])
        expected = {
            "eventType": UPDATED, "instanceId": joined.site, "data": event, "identity": joined.identity,
            "forged": "refused", "type": "text/plain; charset=utf-8", "sdk": given(event, joined.site, joined.identity),
        }
        report.equal("the webhook", expected | {"again": False}, first)
        report.equal("the same bytes again", expected | {"again": True}, second)
        refused = [webhook for webhook in receiver.seen if "refused" in webhook or "refused" in webhook["sdk"]]
        report.equal("refused in all", [], refused)
    with report.part("webhooks: the test vectors by the Members API's SDK"):
        ended = main_of(node("members-sdk.mjs", "check"), "", (VECTORS / "webhooks.json").read_text())
        report.equal("exit code", 0, ended.returncode, ended.stderr)
        for vector, came in zip(vectors("webhooks"), json.loads(ended.stdout or "[]"), strict=True):
            said = vector["expected"]
            if said:
                expected = given(said["event"], said["siteId"], said["identity"], said["accountId"])
                report.equal(vector["name"], expected, came, ended.stderr)
            else:
                report.equal(vector["name"], ["refused"], list(came), ended.stderr)
