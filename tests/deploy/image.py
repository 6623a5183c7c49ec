"""Builds the image that the Dockerfile describes (builder.py), and looks at what came of it: what is in it, who runs it, how
it is started and asked for its health, and whether the same program gives the same image. Then builds it wrong in ways that
are known, and fails unless each is found.

Usage: image.py FOLDER, which holds the packages that builder.py names; in JOIN_COMMUNITY the program. FOLDER/image.json is
what container.py goes by. Exit code 77 if nothing can be built here.
"""
import filecmp
import json
import os
import pathlib
import re
import sys

import container
from builder import Builder
from keys import DEFAULTS, HIDDEN, PREFIX, SECRETS, key_of

FOLDER = pathlib.Path(sys.argv[1]).resolve()
INSTALLED = "usr/local/bin/join-community"
# Each is built with this in place of that, and then these words must be among what is found.
BROKEN = [
    ("Dockerfile", {
        "USER 65532:65532\n": "", "-m 755": "-m 700", "STOPSIGNAL SIGTERM": "STOPSIGNAL SIGINT",
        "ARG BUILD_IMAGE": "ARG REGISTRY_TOKEN\nARG BUILD_IMAGE", "cc-debian12:nonroot": "cc-debian12:latest",
        "community /usr/local/bin/": "community /usr/bin/", 'CMD ["/usr/local/bin/join-community", "ready"]': "CMD join-community ready",
        "__LISTEN=0.0.0.0": f"__LISTENS=0 {PREFIX}BROKER__URL=amqp://a:b@c {PREFIX}HTTP__LISTEN=127.0.0.1",
    }, ["runs as root", "its mode", "SIGINT", "REGISTRY_TOKEN", "another one tomorrow", "usr/bin/", "a shell", "sets no key",
        "holds a secret", "127.0.0.1:8080"]),
    ("Dockerfile", {'-community", "ready"]': '-community", "healthy"]'}, ["healthy"]),
    ("Dockerfile", {"build --locked": "build"}, ["cargo is called"]),
    (".dockerignore", {"!src\n": "", "!tests\n": ""}, [" src/main.rs", " tests/suite/main.rs"]),
]


def passed_in(dockerfile):
    """What is wrong with what the build is given."""
    text = pathlib.Path(dockerfile).read_text()
    given = " ".join(re.findall(r"^(?:ARG|ENV) .*", text, re.M))
    wrong = [f"{name} is given to the build, and may be read from the image: mount it (RUN --mount=type=secret)"
             for name in re.findall(r"\b[A-Z_]*(?:TOKEN|PASSWORD|SECRET|CREDENTIAL)[A-Z_]*", given)]
    images = re.findall(r"^ARG \w+_IMAGE=(.*)$", text, re.M)
    return wrong + [f"{image} may be another one tomorrow: name a version, or a digest"
                    for image in images if not re.search(r"@sha256:|:(?!latest$)[\w.-]+$", image)]


def contents(folder):
    return {str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob("*") if not path.is_dir()}


def made_of(files, builder):
    """The base, and the program."""
    wrong, more = [], contents(files) - contents(FOLDER / "base")
    if more != {INSTALLED}:
        wrong.append(f"it has more in it than {INSTALLED}, or not that: {sorted(more)}")
    for program in (pathlib.Path(files, path) for path in more):
        held = program.stat()
        same = filecmp.cmp(program, builder.handed / "join-community", shallow=False)
        if (held.st_mode & 0o7777, held.st_uid, same) != (0o755, 0, True):
            wrong.append(f"{program.name} is not the program, or its mode is not 755, or it is not root's")
    return wrong


def configured(config):
    wrong = []
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", config.get("User") or ""):
        wrong.append(f"it runs as {config.get('User') or 'root'}: name a user and a group by number, and not root")
    environment = dict(each.split("=", 1) for each in config["Env"])
    for variable in (each for each in environment if each.startswith(PREFIX)):
        section, _, last = key_of(variable).partition(".")
        if key_of(variable) in SECRETS | HIDDEN:
            wrong.append(f"{variable} holds a secret")
        elif last not in DEFAULTS.get(section, {}):
            wrong.append(f"{variable} sets no key of the configuration")
    address, _, port = environment.get(f"{PREFIX}HTTP__LISTEN", "").rpartition(":")
    if address != "0.0.0.0" or set(config.get("ExposedPorts", {})) != {f"{port}/tcp"}:
        wrong.append(f"http.listen is {address}:{port}, and {config.get('ExposedPorts')} is exposed")
    if config.get("StopSignal") != "SIGTERM":
        wrong.append(f"it is stopped by {config.get('StopSignal')}")
    if config.get("Healthcheck", {"Test": [""]})["Test"][0] != "CMD" or config["Entrypoint"][0] == "/bin/sh":
        wrong.append("it has no health check, or asks for a shell, which the base has not")
    return wrong


def run(image):
    """What is called is there, and does what it does elsewhere, with nothing to write to."""
    wrong = []
    for command in ([*image.entrypoint, *image.arguments, "--help"], [*image.health, "--help"], [*image.entrypoint, "--version"]):
        if (ended := image.run(*command)).returncode != 0:
            wrong.append(f"{' '.join(command)} ended with {ended.returncode}: {ended.stderr.strip()[:300]}")
    spoken = image.run(*image.entrypoint, "contract", "export")
    if spoken.stdout != pathlib.Path("docs/asyncapi.yaml").read_text():
        wrong.append(f"it speaks another contract than docs/asyncapi.yaml: {spoken.stderr.strip()[:300]}")
    return wrong


def looked_at(builder, name, folder):
    config, files = builder.described(name)["config"], builder.unpacked(name)
    (folder / "image.json").write_text(json.dumps({"files": files, "config": config}))
    return made_of(files, builder) + configured(config) or run(container.Container(folder))


def prove(builder, file, changes, words):
    texts = {name: pathlib.Path(name).read_text() for name in ("Dockerfile", ".dockerignore")}
    for that, this in changes.items():
        assert that in texts[file], f"tests/deploy/image.py breaks what {file} has not: {that!r}"
        texts[file] = texts[file].replace(that, this)
    dockerfile, ignored = (builder.work / f"broken{name}" for name in texts)
    dockerfile.write_text(texts["Dockerfile"])
    ignored.write_text(texts[".dockerignore"])
    why = builder.image("localhost/broken", dockerfile, ignored)
    wrong = passed_in(dockerfile) + ([why] if why else looked_at(builder, "localhost/broken", builder.work))
    unseen = [word for word in words if not any(word in each for each in wrong)]
    assert not unseen, f"tests/deploy/image.py is shown {changes}, and does not notice {unseen}, but {wrong}"
    builder.buildah("rmi", "--force", "localhost/broken")


def main():
    if why := container.cannot():
        print(f"the Dockerfile cannot be built here: {why}", file=sys.stderr)
        sys.exit(77)
    builder, name = Builder(FOLDER, pathlib.Path(os.environ["JOIN_COMMUNITY"])), "localhost/join-community"
    made = []
    for mask in (0o077, 0o022):  # by two people, on two days
        os.umask(mask)
        os.utime(builder.handed / "join-community", (mask, mask))
        if why := builder.image(name):
            sys.exit(f"the Dockerfile is not built: {why}")
        made.append(builder.described(name))
    wrong = passed_in("Dockerfile") + looked_at(builder, name, FOLDER)
    wrong += [f"the same program gave two images, which differ in {part}" for part in made[0] if made[0][part] != made[1][part]]
    for each in wrong:
        print(f"Dockerfile: {each}", file=sys.stderr)
    for broken in [] if wrong else BROKEN:
        prove(builder, *broken)
    sys.exit(bool(wrong))


main()
