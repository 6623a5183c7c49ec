"""The cache readers: by the test vectors, then what the worker wrote, then without a cache."""
import json
import uuid

from programs import NODE, PYTHON, main_of, node, python

PUBLIC = ("id", "contactId", "createdDate", "updatedDate", "privacyStatus", "profile")


def readers():
    all = []
    if PYTHON:
        all.append(("redis-py", python("cache_reader.py")))
    if NODE:
        all.append(("ioredis", node("cache-reader.js")))
    return all


def read(installation, command, site, member, url=None):
    return main_of([*command, site, member], "", REDIS_URL=url or installation.redis_url, CACHE_PREFIX=installation.prefix)


def check(installation, report, vectors, joined):
    site, member = joined
    record = installation.member(site, member)["member"]
    public = {field: record[field] for field in PUBLIC if field in record}
    for name, command in readers():
        with report.part(f"{name}: profiles"):
            for vector in vectors:
                own = str(uuid.uuid4())
                if vector["hash"]:
                    pairs = [part for pair in vector["hash"].items() for part in pair]
                    installation.redis("HSET", f"{installation.prefix}:{own}:{member}", *pairs)
                # An id is the same in any case.
                ended = read(installation, command, own.upper(), member.upper())
                report.equal(vector["name"], vector["reads"], json.loads(ended.stdout or "null"), ended.stderr)
                report.equal(f"{vector['name']}: exit code", 0 if vector["reads"] else 1, ended.returncode, ended.stderr)
            report.within("what the worker wrote", public, lambda: json.loads(
                read(installation, command, site, member).stdout or "null"))
            ended = read(installation, command, site, member, "redis://127.0.0.1:1")
            report.equal("without Redis: exit code", 1, ended.returncode, ended.stderr)
            report.equal("without Redis: says so", True, "Redis" in ended.stderr, ended.stderr)
