#!/usr/bin/env python3
"""What a release is made of, by cargo and Cargo.lock: a bill of materials (CycloneDX 1.6, JSON), or with --licenses the
page docs/licenses.md. Needs Python and cargo alone; scripts/sbom calls it.

Named are the crates that are linked into the program with its default features, and, marked as excluded, those that only
run while it is built. What only tests need is not in it. Everything is sorted, and no time is in it: the same lock file
gives the same bytes.
"""

import json
import re
import subprocess
import sys
import tomllib
import uuid

# What the image is built for.
TARGETS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]


def cargo(command, *arguments):
    return subprocess.run(["cargo", command, "--locked", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def tree(edges):
    """What needs what, by name and version, as cargo would build it. Its metadata tell more than that: crates that no
    feature in use asks for."""
    needs, above = {}, []
    targets = [word for target in TARGETS for word in ("--target", target)]
    for line in cargo("tree", "--edges", edges, *targets, "--prefix", "depth", "--format", "{p}").split("\n"):
        if not line:  # Between two targets.
            continue
        depth, name, version = re.match(r"(\d+)(\S+) v(\S+)", line).groups()
        crate = (name, version)
        del above[int(depth):]
        if above:
            needs[above[-1]].add(crate)
        needs.setdefault(crate, set())
        above.append(crate)
    return needs


PACKAGES = {(each["name"], each["version"]): each for each in json.loads(cargo("metadata", "--format-version", "1"))["packages"]}
with open("Cargo.lock", "rb") as lock:
    CHECKSUMS = {(each["name"], each["version"]): each.get("checksum") for each in tomllib.load(lock)["package"]}
NEEDS = tree("normal,build")
ROOT = next(iter(NEEDS))
# A macro runs in the compiler, and so does all that it is made of.
LINKED = set(tree("normal,no-proc-macro"))
NAMED = sorted(NEEDS.keys() - {ROOT})


def licence(package):
    """As an SPDX expression: older crates write a stroke for `OR`."""
    written = package["license"]
    if not written:
        sys.exit(f"sbom.py: {package['name']} {package['version']} states no licence")
    return re.sub(r"\s*/\s*", " OR ", written)


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, linked):
    described = {
        "type": "library", "bom-ref": purl(package), "name": package["name"], "version": package["version"],
        "scope": "required" if linked else "excluded", "purl": purl(package),
        "licenses": [{"expression": licence(package)}],
    }
    if checksum := CHECKSUMS.get((package["name"], package["version"])):
        described["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        described["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return described


def bill():
    root = PACKAGES[ROOT]
    own = {
        "type": "application", "bom-ref": purl(root), "name": root["name"], "version": root["version"], "purl": purl(root),
        "description": root["description"], "licenses": [{"expression": licence(root)}],
    }
    components = [component(PACKAGES[each], each in LINKED) for each in NAMED]
    dependencies = [
        {"ref": purl(PACKAGES[each]), "dependsOn": sorted(purl(PACKAGES[other]) for other in NEEDS[each])}
        for each in [ROOT, *NAMED]
    ]
    content = {"metadata": {"component": own}, "components": components, "dependencies": dependencies}
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}", "version": 1, **content}


def page():
    by_licence = {}
    for each in NAMED:
        by_licence.setdefault(licence(PACKAGES[each]), set()).add(PACKAGES[each]["name"])
    rows = [f"| {words} | {', '.join(sorted(names))} |" for words, names in sorted(by_licence.items())]
    return "\n".join([
        "# Licences",
        "",
        "Of every crate that a release is made of, or built with, as its authors state them; `deny.toml` says which may come in.",
        "Versions, checksums and what needs what: `make sbom`. This page is written by `make licenses`, and `make policy` holds it",
        "against the lock file.",
        "",
        "| licence | crates |",
        "|---|---|",
        *rows,
    ])


print(page() if sys.argv[1:] == ["--licenses"] else json.dumps(bill(), indent=1))
