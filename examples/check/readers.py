"""The cache readers: by the test vectors, then what the worker wrote, then without a cache."""
import json
import uuid

from programs import NODE, PYTHON, RUST, main_of, node, python, rust

PUBLIC = ("id", "contactId", "createdDate", "updatedDate", "privacyStatus", "profile")


class Reader:
    """A reader, and how it says a profile: whole, as JSON."""

    def __init__(self, name, command):
        self.name, self.command = name, command

    def read(self, installation, site, member, url=None):
        return main_of([*self.command, site, member], "", REDIS_URL=url or installation.redis_url,
                       CACHE_PREFIX=installation.prefix)

    def heard(self, ended):
        return json.loads(ended.stdout or "null")

    def said(self, profile):
        return profile


class Speaker(Reader):
    """The one in Rust says it to people: an id and, if there is one, a nickname."""

    def heard(self, ended):
        return ended.stdout.strip() or None

    def said(self, profile):
        return profile and f"{profile['id']} {profile.get('profile', {}).get('nickname', '')}".strip()


def readers():
    all = []
    if PYTHON:
        all.append(Reader("redis-py", python("cache_reader.py")))
    if NODE:
        all.append(Reader("ioredis", node("cache-reader.js")))
    if RUST:
        all.append(Speaker("Rust", rust("cache_reader")))
    return all


def check(installation, report, vectors, joined):
    site, member = joined
    record = installation.member(site, member)["member"]
    public = {field: record[field] for field in PUBLIC if field in record}
    for reader in readers():
        with report.part(f"{reader.name}: profiles"):
            for vector in vectors:
                own = str(uuid.uuid4())
                if vector["hash"]:
                    pairs = [part for pair in vector["hash"].items() for part in pair]
                    installation.redis("HSET", f"{installation.prefix}:{own}:{member}", *pairs)
                # An id is the same in any case.
                ended = reader.read(installation, own.upper(), member.upper())
                report.equal(vector["name"], reader.said(vector["reads"]), reader.heard(ended), ended.stderr)
                report.equal(f"{vector['name']}: exit code", 0 if vector["reads"] else 1, ended.returncode, ended.stderr)
            report.within("what the worker wrote", reader.said(public), lambda: reader.heard(
                reader.read(installation, site, member)))
            ended = reader.read(installation, site, member, "redis://127.0.0.1:1")
            report.equal("without Redis: exit code", 1, ended.returncode, ended.stderr)
            report.equal("without Redis: says so", True, "Redis" in ended.stderr, ended.stderr)
