"""How the examples are run: those for Python by the interpreter that has their packages, those for Node where npm put
theirs, those in Rust where cargo put them. What could not be installed is not here; scripts/examples has said so."""
import json
import os
import pathlib
import subprocess

# Set by scripts/examples; absent: not to be had.
PYTHON, NODE, RUST = (os.environ.get(f"EXAMPLES_{of}") for of in ("PYTHON", "NODE", "RUST"))
HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "python"
LIMIT = 120


def python(name, folder=EXAMPLES):
    return [PYTHON, "-u", str(folder / name)]


def node(name, folder="node"):
    return ["node", str(pathlib.Path(NODE or "", folder, name))]


def rust(name):
    return [str(pathlib.Path(RUST or "", name))]


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOIN_COMMUNITY__")}
    return kept | {"PYTHONPATH": str(EXAMPLES), "PYTHONDONTWRITEBYTECODE": "1"} | more


def main_of(command, amqp_url, stdin="", **more):
    """An example as a person runs it."""
    return subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=LIMIT,
                          env=environment(AMQP_URL=amqp_url, **more))


def through(installation, command):
    def send(producer, messages):
        ended = main_of(command, installation.amqp(producer), json.dumps(messages))
        assert ended.returncode == 0, f"{' '.join(command)}: ended with {ended.returncode}\n{ended.stderr}"
        return json.loads(ended.stdout)

    return send


def waiters(installation):
    """Name and way of each producer that waits."""
    ways = []
    if PYTHON:
        ways.append(("pika", through(installation, [*python("through_pika.py", HERE), "ask"])))
        ways.append(("FastStream", through(installation, [*python("through_faststream.py", HERE), "ask"])))
    if NODE:
        ways.append(("amqplib", through(installation, [*node("through_amqplib.mjs", "check"), "ask"])))
    return ways


def enqueuers(installation):
    """Name, way and program of each producer that does not. The one in Rust has no way for messages of others."""
    ways = []
    if PYTHON:
        command = [*python("through_pika.py", HERE), "enqueue"]
        ways.append(("pika", through(installation, command), python("producer_enqueue.py")))
        command = [*python("through_faststream.py", HERE), "enqueue"]
        ways.append(("FastStream", through(installation, command), python("faststream_enqueue.py")))
    if NODE:
        command = [*node("through_amqplib.mjs", "check"), "enqueue"]
        ways.append(("amqplib", through(installation, command), node("producer-enqueue.js")))
    if RUST:
        ways.append(("Rust", None, rust("enqueue")))
    return ways


def producers():
    """Name and command of each producer that is given a site and a member, and prints the answer as it came."""
    all = []
    if PYTHON:
        all += [("pika", python("producer_wait.py")), ("FastStream", python("faststream_producer.py"))]
    if NODE:
        all.append(("amqplib", node("producer-wait.js")))
    return all


def askers():
    """The same, and the one in Rust, which speaks to people and knows no other method."""
    return producers() + ([("Rust", rust("join"))] if RUST else [])
