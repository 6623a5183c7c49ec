"""The programs in Rust that send. They take no message of others, and say what comes of theirs to people: so they are run by
those test vectors that say no more than a site and a member."""
import re
import uuid

from programs import RUST, main_of, rust

REFUSAL = re.compile(r"([0-9]{3}) (\w+)(?: (\w+))? to request ")


def check(installation, report, vectors):
    if not RUST:
        return
    with report.part("Rust: decisions"):
        decisions(installation, report, [vector for vector in vectors if is_sayable(vector)])


def is_sayable(vector):
    """Whether a member asks for themself to join."""
    caller, body, proof = vector["caller"], vector["body"], vector["proof"] or {}
    themself = caller["identityType"] == "MEMBER" and body.get("memberId", caller["memberId"]) == caller["memberId"]
    return themself and "elevated" not in body and "type" not in vector and not proof.get("expired")


def voucher(proof):
    """Who lets the program log in. What a token proves of a member who asks for themself, a producer's word does as well."""
    if not proof:
        return "nobody"
    return "nothing-elevated" if proof.get("vouches", True) else "users-only"


def decisions(installation, report, vectors):
    sites = {candidates: str(uuid.uuid4()) for candidates in ("ANYONE", "NO_ONE")}
    installation.run("sites", "set", sites["NO_ONE"], "--public-member-candidates", "NO_ONE", "--why", "a test")
    asked = [(vector, sites[vector["site"]["publicMemberCandidates"]], str(uuid.uuid4())) for vector in vectors]
    for site in sites.values():
        installation.members(site, [(member, vector["member"]["status"], vector["member"]["privacyStatus"])
                                    for vector, of, member in asked if of == site and vector["member"]])
    for vector, site, member in asked:
        ended = main_of([*rust("join"), site, member], installation.amqp(voucher(vector["proof"])))
        expected = tuple(vector["expected"][field] for field in ("status", "code", "reason"))
        report.equal(vector["name"], expected, said(ended.stdout, member), f"{ended.stdout}{ended.stderr}")
        report.equal(f"{vector['name']}: exit code", 0 if expected[0] == 200 else 1, ended.returncode, ended.stderr)


def said(line, member):
    """Status, code and reason."""
    if line.strip() == f"{member} John Doe is in the community":
        return 200, None, None
    refusal = REFUSAL.match(line)
    return refusal and (int(refusal[1]), refusal[2], refusal[3])
