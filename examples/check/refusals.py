"""What producers meet when things are not as they should be: no queue, a full one, nobody who answers."""
import json
import uuid

from installation import EVERYTHING
from programs import askers, enqueuers, main_of, producers

NOT_KNOWN = 75
# The ids that those who do not wait are given.
SENT = ("the-one", "the-other")


def refused(installation, report):
    """A broker that has the exchange, and then ever more behind it; but no worker."""
    vhost = f"{installation.name}_refusing"
    installation.broker("PUT", f"vhosts/{vhost}", {})
    user = f"{installation.name}.everything"
    installation.permit(user, {"configure": "^$", "write": "^join-community$", "read": "^$"}, vhost)
    installation.permit(installation.management.username, EVERYTHING, vhost)
    installation.broker("PUT", f"exchanges/{vhost}/join-community", {"type": "direct", "durable": True})
    url = installation.amqp("everything", vhost=vhost)
    with report.part("producers: returned by the broker"):
        each(report, url, {"pika": "Unroutable", "FastStream": "NO_ROUTE", "amqplib": "reached no queue",
                           "Rust": "no queue takes"})
    queue(installation, vhost, {"x-max-length": 0, "x-overflow": "reject-publish"})
    with report.part("producers: refused by the broker"):
        each(report, url, {"pika": "Nack", "FastStream": "DeliveryError", "amqplib": "nack", "Rust": "the queue refuses"})
    installation.broker("DELETE", f"queues/{vhost}/requests")
    queue(installation, vhost, {})
    if producers():  # the one in Rust waits longer than this should
        with report.part("producers: not answered"):
            each(report, url, {"pika": "no answer within 2 s", "FastStream": "Timeout", "amqplib": "no answer within 2 s"},
                 timeout=2, sends=False)
    with report.part("producers: no broker"):
        each(report, "amqp://nobody:nobody@127.0.0.1:1/none", {
            "pika": "Connection", "FastStream": "Connect", "amqplib": "ECONNREFUSED", "Rust": "cannot reach"})


def queue(installation, vhost, arguments):
    installation.broker("PUT", f"queues/{vhost}/requests", {"durable": True, "arguments": arguments})
    installation.broker("POST", f"bindings/{vhost}/e/join-community/q/requests", {"routing_key": "request"})


def each(report, url, says, timeout=20, sends=True):
    """Each producer that waits, and each that only sends, has to name every request and say what happened."""
    site, member = str(uuid.uuid4()), str(uuid.uuid4())
    for name, command in askers():
        if name in says:
            judge(report, name, main_of([*command, site, member, "the-id"], url, TIMEOUT=str(timeout)), says[name])
    for name, _, command in enqueuers(None) if sends else []:
        lines = "".join(f"{site} {member} {id}\n" for id in SENT)
        judge(report, f"{name}, without waiting", main_of(command, url, lines, TIMEOUT=str(timeout)), says[name], SENT)


def judge(report, name, ended, says, ids=("the-id",)):
    report.equal(f"{name}: exit code", NOT_KNOWN, ended.returncode, ended.stderr)
    named = all(word in ended.stderr for word in (says, *ids))
    report.equal(f"{name}: names {' and '.join(ids)}, and `{says}`", True, named, f"it said: {ended.stderr}")


def by_hand(installation, report):
    """Each producer as its first lines say: 0 for who joins, 1 for who may not, and an answer to read."""
    site, member, blocked = (str(uuid.uuid4()) for _ in range(3))
    installation.members(site, [(member, "APPROVED", "PRIVATE"), (blocked, "BLOCKED", "PRIVATE")])
    for name, command in askers():
        with report.part(f"{name}: the program by hand"):
            for who, code, status, more in [(member, 0, 200, "member"), (blocked, 1, 428, "details")]:
                ended = main_of([*command, site, who, f"{name}-{who}"], installation.amqp("everything"))
                report.equal("exit code", code, ended.returncode, ended.stderr)
                if name != "Rust":
                    answer = json.loads(ended.stdout or "{}")
                    report.equal("status", status, answer.get("status"), ended.stderr)
                    report.equal(f"has {more}", True, more in answer, ended.stdout)
            again = main_of([*command, site, member, f"{name}-{blocked}"], installation.amqp("everything"))
            report.equal("the same id for another member", 1, again.returncode, again.stderr)
            if name == "Rust":
                continue
            report.equal("named", True, "REQUEST_ID_REUSED" in again.stdout, again.stdout)
            # And out again, and in: who reads the cache afterwards finds them.
            for method, privacy in [("leave", "PRIVATE"), ("join", "PUBLIC")]:
                ended = main_of([*command, site, member], installation.amqp("everything"), METHOD=method)
                report.equal(f"exit code, {method}", 0, ended.returncode, ended.stderr)
                came = json.loads(ended.stdout or "{}").get("member", {}).get("privacyStatus")
                report.equal(f"state, {method}", privacy, came, ended.stdout)
    return site, member
