"""The producers, by the test vectors: each request through each of them to the worker, and what comes back."""
import base64
import json
import re
import uuid

from programs import enqueuers, main_of, waiters

OPEN, CLOSED = str(uuid.uuid4()), str(uuid.uuid4())
# AMQP 0-9-1 has no room for it: the client library refuses it, or cuts off nothing.
UNSENDABLE = {"a correlation id that is too long"}
# FastStream gives every message an id.
FASTSTREAM_GIVES = {"no request id", "an empty request id"}


def body_of(vector):
    raw = bytes.fromhex(vector["bodyHex"]) if "bodyHex" in vector else vector["body"].encode()
    return raw.ljust(vector.get("padTo", 0))


def message(vector, headers=None):
    properties = {name: value for name, value in vector["properties"].items() if name not in ("user_id", "reply_to")}
    if properties.get("message_id") == "request-1":
        properties["message_id"] = str(uuid.uuid4())
    properties.setdefault("correlation_id", str(uuid.uuid4()))
    return {"properties": properties, "headers": vector["headers"] | (headers or {}),
            "body": base64.b64encode(body_of(vector)).decode()}


def told(answer):
    """Status, and what explains it, in the words of the vectors."""
    if "status" not in answer:
        return answer
    details = answer["body"].get("details", {})
    violation = details.get("validationError", {}).get("fieldViolations", [{}])[0]
    if violation:
        return {"status": answer["status"], "field": violation["field"], "violatedRule": violation["violatedRule"]}
    error = details.get("applicationError", {})
    return {"status": answer["status"], "code": error.get("code"), "reason": error.get("data", {}).get("reason")}


def compare(report, vectors, answers, expected):
    for vector, answer in zip(vectors, answers, strict=True):
        report.equal(vector["name"], expected(vector), told(answer))


def well_formed(installation, report, vectors):
    """A request that says who asks is believed of a producer that may vouch; one that does not brings a token."""
    site, member = vectors[0]["expected"]["siteId"], vectors[0]["expected"]["memberId"]
    installation.members(site, [(member, "APPROVED", "PRIVATE")])
    token = installation.token(site, {"identityType": "MEMBER", "memberId": member})

    def identity(vector):
        return (vector["expected"]["identity"] or {}).get("identityType")

    def proof(vector):
        silent = identity(vector) is None and "authorization" not in vector["headers"]
        return {"authorization": f"Bearer {token}"} if silent else {}

    def expected(vector):
        if "authorization" in vector["headers"] or identity(vector) == "UNKNOWN":
            reason = "UNKNOWN_IDENTITY" if identity(vector) else "TOKEN_MALFORMED"
            return {"status": 401, "code": "UNAUTHENTICATED", "reason": reason}
        if identity(vector) in (None, "MEMBER") or vector["expected"]["elevated"]:
            return {"status": 200, "code": None, "reason": None}
        return {"status": 403, "code": "PERMISSION_DENIED", "reason": None}

    for name, ask in waiters(installation):
        with report.part(f"{name}: requests that decode"):
            answers = ask("everything", [message(vector, proof(vector)) for vector in vectors])
            compare(report, vectors, answers, expected)


def malformed(installation, report, vectors):
    for name, ask in waiters(installation):
        with report.part(f"{name}: requests that do not decode"):
            without = UNSENDABLE | (FASTSTREAM_GIVES if "FastStream" in name else set())
            sent = [vector for vector in vectors if vector["name"] not in without]
            answers = ask("everything", [message(vector) for vector in sent])
            compare(report, sent, answers, lambda vector: {
                field: vector["expected"][field] for field in ("status", "field", "violatedRule")})


def decisions(installation, report, vectors):
    installation.run("sites", "set", CLOSED, "--public-member-candidates", "NO_ONE", "--why", "a test")
    for name, ask in waiters(installation):
        with report.part(f"{name}: decisions"):
            by_producer, members = {}, {OPEN: [], CLOSED: []}
            for position, vector in enumerate(vectors):
                producer, site, member, sent = decision(installation, vector)
                if vector["member"]:
                    members[site].append((member, vector["member"]["status"], vector["member"]["privacyStatus"]))
                by_producer.setdefault(producer, []).append((position, sent))
            for site, those in members.items():
                installation.members(site, those)
            answers = {}
            for producer, sent in by_producer.items():
                positions, messages = zip(*sent)
                answers |= dict(zip(positions, ask(producer, list(messages)), strict=True))
            compare(report, vectors, [answers[position] for position in range(len(vectors))], lambda vector: {
                field: value for field, value in vector["expected"].items() if field != "pointer"})


def decision(installation, vector):
    """A vector as a request for a member of its own: who sends it, the site, the member, the message."""
    site = CLOSED if vector["site"]["publicMemberCandidates"] == "NO_ONE" else OPEN
    member = str(uuid.uuid4())
    mine = {"6b0e7f1a-8c0d-4f3e-9a57-2d1c4b5e6f70": site, "7d368843-6f0c-4037-8d0e-b7e36a8a0c32": member}
    body, caller = (json.loads(re.sub("|".join(mine), lambda found: mine[found[0]], json.dumps(vector[part])))
                    for part in ("body", "caller"))
    proof, headers, producer = vector["proof"] or {}, {}, "nobody"
    if proof.get("by") == "token":
        token = installation.token(site, caller, proof["permission"], proof["expired"])
        headers["authorization"] = f"Bearer {token}"
    else:
        body["identity"] = caller
        if proof:
            producer = "users-only" if not proof["vouches"] else "everything" if proof["mayElevate"] else "nothing-elevated"
    properties = {"message_id": "request-1"} | {name: vector[name] for name in ("type",) if name in vector}
    sent = {"properties": properties, "headers": headers, "body": json.dumps(body)}
    return producer, site, member, message(sent)


def enqueued(installation, report, vectors):
    """What nobody waits for arrives all the same: malformed ones as dead letters, the others as joins."""
    for name, send, command in enqueuers(installation):
        with report.part(f"{name}: sends without waiting"):
            site, members = str(uuid.uuid4()), [str(uuid.uuid4()) for _ in range(20)]
            installation.members(site, [(member, "APPROVED", "PRIVATE") for member in members])
            lines = "".join(f"{site} {member} {uuid.uuid4()}\n" for member in members)
            for _ in range(2):  # the same file again: nothing comes of it
                ended = main_of(command, installation.amqp("everything"), stdin=lines)
                report.equal("exit code", 0, ended.returncode, ended.stderr)
            states = f"SELECT DISTINCT privacy_status, event_sequence FROM members WHERE site_id = '{site}'"
            report.within("members who joined", "PUBLIC|1", lambda: installation.sql(states))
            if not send:
                continue
            lines = "".join(f"{site} {member} {uuid.uuid4()}\n" for member in members)
            ended = main_of(command, installation.amqp("everything"), stdin=lines, METHOD="leave")
            report.equal("exit code, leaving", 0, ended.returncode, ended.stderr)
            report.within("members who left", "PRIVATE|2", lambda: installation.sql(states))
            sent = [vector for vector in vectors if vector["name"] not in UNSENDABLE
                    and vector["properties"].get("message_id") == "request-1"]
            messages = [message(vector) for vector in sent]
            answers = send("everything", messages)
            report.equal("sent", [{}] * len(sent), answers)
            expected = {message["properties"]["message_id"]: ("malformed", vector["expected"]["pointer"])
                        for vector, message in zip(sent, messages)}
            report.within("dead letters", expected, lambda: {
                letter["requestId"]: (letter["reason"], letter["pointer"])
                for letter in json.loads(installation.run("dead-letters", "list", "--output", "json"))
                if letter["requestId"] in expected})
