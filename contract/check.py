#!/usr/bin/env python3
"""Runs the test vectors of a contract through its JSON Schemas with the package `jsonschema`: an implementation that is
not ours. Those of the last release as well, as they were then: what they promised was relied on.
Usage: check.py [FOLDER RELEASED], by default contract/v1 and contract/released."""
import base64
import json
import pathlib
import sys
import jsonschema

FOLDER, RELEASED = map(pathlib.Path, sys.argv[1:] or ("contract/v1", "contract/released"))


def schema(name):
    read = json.loads((FOLDER / "schemas" / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(read)
    return jsonschema.Draft202012Validator(read)


def vectors(name):
    """Those that are spoken now, then those that were released. A file that is new since then was promised by none."""
    files = [FOLDER / "vectors" / f"{name}.json", *(RELEASED / "vectors").glob(f"{name}.json")]
    return [vector for file in files for vector in json.loads(file.read_text())["vectors"]]


def body(vector):
    raw = bytes.fromhex(vector["bodyHex"]) if "bodyHex" in vector else vector["body"].encode()
    return json.loads(raw.ljust(vector.get("padTo", 0)).decode())


def fits(vector):
    parts = zip(REQUEST, (vector["properties"], vector["headers"], body(vector)))
    return all(validator.is_valid(part) for validator, part in parts)


promised, spoken = ({file.name for file in (folder / "vectors").iterdir()} for folder in (RELEASED, FOLDER))
assert promised and promised <= spoken, f"{RELEASED} has vectors that {FOLDER} has not: {sorted(promised - spoken)}"
for file in sorted((FOLDER / "schemas").iterdir()):
    schema(file.name.removesuffix(".schema.json"))
REQUEST = [schema(name) for name in ("request-properties", "request-headers", "request")]
EVENT, CACHED, PUBLIC = schema("event"), schema("cached-profile"), schema("public-profile")

for vector in vectors("requests-valid"):
    assert fits(vector), vector["name"]
for vector in vectors("requests-invalid"):
    try:
        seen_by = "reader" if fits(vector) else "schema"
    except ValueError:
        seen_by = "parser"
    assert seen_by == vector["seenBy"], vector["name"]
for vector in vectors("events"):
    held, keeps = {}, []
    for position, delivery in enumerate(vector["deliveries"]):
        event = delivery["event"]
        EVENT.validate(event)
        member, sequence = f"{delivery['headers']['siteId']}/{event['entityId']}", int(event["entityEventSequence"])
        if sequence > held.get(member, -1):
            held[member] = sequence
            keeps.append(position)
    assert vector["expected"] == {"keeps": keeps, "held": {k: str(v) for k, v in held.items()}}, vector["name"]
for vector in vectors("profiles"):
    if vector["hash"]:
        CACHED.validate(vector["hash"])
    reads = json.loads(vector["hash"].get("member", "null"))
    assert reads == vector["reads"] and (reads is None or PUBLIC.is_valid(reads)), vector["name"]
# Signatures are not a schema's to judge: what is within those that receivers take.
for vector in vectors("webhooks"):
    if vector["expected"]:
        schema("webhook").validate(vector["body"])
        claims = json.loads(base64.urlsafe_b64decode(vector["body"].split(".")[1] + "=="))
        schema("webhook-claims").validate(claims)
        said = json.loads(claims["data"])
        schema("webhook-data").validate(said)
        EVENT.validate(json.loads(said["data"]))
        assert json.loads(said["data"]) == vector["expected"]["event"], vector["name"]
