"""The consumers: the test vectors through the broker, then the worker's own events, then all of them once more."""
import json
import pathlib
import signal
import subprocess
import threading
import uuid

from installation import PATIENCE
from programs import NODE, PYTHON, RUST, environment, node, python, rust


class Consumer:
    """One that runs, with the queue that it chooses by itself; what it prints, and how to look into what it holds."""

    # What it prints a line for, what it makes of all that comes once more after a restart, and how it ends.
    tells, again, end = ("kept", "dropped"), "dropped", 0

    def __init__(self, installation, name, command, held=None, **more):
        self.name, self.command, self.read_held, self.lines, self.errors = name, command, held, [], []
        self.queue = f"member-consumer.{name.lower()}"
        self.environment = environment(AMQP_URL=installation.amqp("consumer"), **more)
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, env=self.environment, text=True, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        for stream, into in ((self.process.stdout, self.lines), (self.process.stderr, self.errors)):
            threading.Thread(target=lambda stream=stream, into=into: into.extend(stream), daemon=True).start()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()

    def held(self):
        """Sequence of each `site/member`."""
        return dict(line.split() for line in self.read_held().splitlines())

    def what(self, site):
        """What became of the events of a site, in the order in which they were handled."""
        fields = [line.split() for line in self.lines]
        return [what for _, of, _, _, what in fields if of == site]


class Hearer(Consumer):
    """The one in Rust: prints what is news and how the member is now, and holds nothing beyond its end."""

    tells, again, end = ("kept",), "kept", -signal.SIGTERM

    def held(self):
        return {f"{site}/{member}": sequence for _, site, member, sequence, _ in map(str.split, self.lines)}

    def what(self, site):
        return ["kept" for _ in super().what(site)]


def start(installation):
    folder = pathlib.Path(installation.folder.name)

    def sqlite(path):
        query = "SELECT site || '/' || member || ' ' || sequence FROM members"
        script = "import sqlite3, sys; print(*(row[0] for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2])), sep='\\n')"
        return lambda: installation.call(["python3", "-c", script, str(path), query])

    running = []
    if PYTHON:
        store = folder / "pika.sqlite"
        running.append(Consumer(installation, "pika", [*python("consumer.py"), str(store)], sqlite(store)))
        store = folder / "faststream.sqlite"
        running.append(Consumer(installation, "FastStream", python("faststream_consumer.py"), sqlite(store),
                                STORE=str(store)))
    if NODE:
        query = "SELECT site || '/' || member || ' ' || sequence FROM example_members"
        running.append(Consumer(installation, "amqplib", node("consumer.js"), lambda: installation.sql(query),
                                DATABASE_URL=installation.database_url))
    if RUST:
        running.append(Hearer(installation, "Rust", [*rust("consumer"), "member-consumer.rust"]))
    return running


def bound(installation, report, running):
    """All listen: an event that comes before is not theirs."""
    wanted = {consumer.queue for consumer in running}
    path = f"bindings/{installation.name}?columns=source,destination"
    with report.part("consumers are bound"):
        report.within("queues", wanted, lambda: wanted & {
            binding["destination"] for binding in installation.broker("GET", path)
            if binding["source"] == "members.events"})


def by_vectors(installation, report, running, vectors):
    """Each vector for sites of its own, so that one consumer takes them all."""
    expected_kept, expected_held, sites = {}, {}, {}
    for number, vector in enumerate(vectors):
        # The id of a site in this vector, wherever it stands.
        def own(site, number=number):
            return sites.setdefault((number, site), str(uuid.uuid4()))

        for position, delivery in enumerate(vector["deliveries"]):
            site, event = own(delivery["headers"]["siteId"]), delivery["event"]
            installation.announce(json.dumps(event), delivery["headers"] | {"siteId": site}, event["id"])
            kept = "kept" if position in vector["expected"]["keeps"] else "dropped"
            expected_kept.setdefault((vector["name"], site), []).append(kept)
        for key, sequence in vector["expected"]["held"].items():
            site, member = key.split("/")
            expected_held[f"{own(site)}/{member}"] = sequence
    # Who tells of this one has handled all before it.
    last, event = str(uuid.uuid4()), vectors[0]["deliveries"][0]["event"]
    installation.announce(json.dumps(event), {"siteId": last}, event["id"])
    for consumer in running:
        with report.part(f"{consumer.name}: events in and out of order"):
            report.within("one more event", ["kept"], lambda: consumer.what(last))
            for (name, site), whats in expected_kept.items():
                report.equal(name, [what for what in whats if what in consumer.tells], consumer.what(site))
            held = consumer.held()
            report.equal("held", expected_held, {key: held.get(key) for key in expected_held})


UNREADABLE = {
    "no JSON": ("{", {"siteId": str(uuid.uuid4())}),
    "a list": ("[]", {"siteId": str(uuid.uuid4())}),
    "no site": ('{"id": "x"}', {}),
    "no number": (json.dumps({"id": "x", "entityId": str(uuid.uuid4()), "entityEventSequence": "last",
                              "updatedEvent": {"currentEntity": {}}}), {"siteId": str(uuid.uuid4())}),
}


def unreadable(installation, report, running):
    """One event that nobody can read stops nobody: it is named, and what comes after it is kept."""
    for name, (body, headers) in UNREADABLE.items():
        installation.announce(body, headers, f"unreadable, {name}")
    for consumer in running:
        with report.part(f"{consumer.name}: events that cannot be read"):
            for name in UNREADABLE:
                report.within(name, 1, lambda name=name: sum(f"unreadable, {name}" in line for line in consumer.errors))
            report.equal("it runs on", None, consumer.process.poll())


def by_the_worker(installation, report, running):
    """What each holds is what the records say; and after a restart it still knows all that comes again, or hears it anew."""
    records = "SELECT site_id || '/' || id || ' ' || event_sequence FROM members WHERE event_sequence > 0"
    truth = dict(line.split() for line in installation.sql(records).splitlines())
    sites = sorted({key.split("/")[0] for key in truth})
    for consumer in running:
        with report.part(f"{consumer.name}: the worker's events, and all once more"):
            report.within(f"{len(truth)} members", truth, lambda: {
                key: sequence for key, sequence in consumer.held().items() if key in truth})
            report.equal("ends when it is told to", consumer.end, consumer.stop(), "".join(consumer.errors))
            consumer.lines.clear()
            consumer.start()
            for site in sites:
                installation.run("events", "resync", "--site", site, "--to", consumer.queue, "--why", "a test")
            expected = {site: [consumer.again] * sum(key.startswith(site) for key in truth) for site in sites}
            report.within("repeats", expected, lambda: {site: consumer.what(site) for site in sites})
