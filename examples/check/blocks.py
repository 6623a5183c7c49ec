"""The commands of README.md and examples/README.md, as they are written and in their order: what a newcomer types works."""
import pathlib
import re
import signal
import subprocess

from installation import ROOT, until
from programs import NODE, PYTHON
from terminal import LONG, Desk, Terminal, way

# The gate runs the first; the others take the services away; a worker runs all the time.
NOT_TYPED = ("make test", "make clean", "scripts/services down", "make run")
# What the producer says of the answer, the reader of the profile and the consumer of the event.
JSON = (r'"status": ?200.*"privacyStatus": ?"PUBLIC"', r'(?m)^\{{(?!"requestId").*"nickname": ?"Ada"', r"{site} {member} {sequence} kept")
AGAIN = 'join-community --config config/local.toml events resync --site $SITE --why "to try"'
SAID = {
    "Python": JSON,
    "Rust": ("{member} Ada is in the community", "(?m)^{member} Ada$", "{site} {member} {sequence} PUBLIC"),
    "Node": JSON,
}


def commands(page):
    """Those of each block of a page. A command may go on in the next line."""
    blocks = re.findall(r"```sh\n(.*?)```", page, re.S)
    blocks = [re.split(r"(?<![|\\])\n", block.strip()) for block in blocks]
    return [typed for block in blocks if (typed := [command for command in block if not command.startswith(NOT_TYPED)])]


def cannot(program):
    """Why nothing can be typed here, if that is so."""
    if pathlib.Path(program).resolve() != ROOT / "target/debug/join-community":
        return f"they name target/debug/join-community, and the worker is {program}"
    return way()[1]


def check(installation, report):
    if why := cannot(installation.program):
        subprocess.run([ROOT / "scripts/left-out", f"the commands of README.md and examples/README.md were not run: {why}"], check=True)
        return
    readme, examples = ((ROOT / name).read_text() for name in ("README.md", "examples/README.md"))
    desk = Desk(installation)
    (demo,), *tried = commands(readme)
    with report.part("README.md: the story"), Terminal(desk) as terminal:
        typed(report, terminal, [demo])
    with Terminal(desk) as worker:
        with report.part("make run"):
            began = worker.begin("make run")
            until("make run is ready, or has ended", lambda: desk.ready() or worker.ended(began) is not None, LONG)
            report.equal("it runs on", None, worker.ended(began), worker.said()[-4000:])
        # The one after these, a shovel, is for interop.py: it needs an event of its own.
        setup, *ways = commands(examples)[: 1 + len(SAID)]
        for (name, said), block in zip(SAID.items(), ways, strict=True):
            if {"Python": PYTHON, "Rust": True, "Node": NODE}[name]:
                language(desk, report, name, setup, block, said)
        root(desk, report, tried, re.findall(r"`(jc [^`]+)`", readme))
        with report.part("make run, and Ctrl-C"):
            worker.signal(signal.SIGINT)
            report.within("what is in hand is finished", True, lambda: ": stopped" in worker.said())


def typed(report, terminal, commands):
    for command in commands:
        report.equal(command, 0, terminal.type(command), terminal.said()[-4000:])


def language(desk, report, name, setup, block, said):
    """A consumer, a request, its event and the profile. Who is in the community already has no event, until hers is sent again."""
    *before, reader = block
    site, member = re.search(r"SITE=(\S+) ADA=(\S+)", "\n".join(setup)).groups()
    with report.part(f"examples/README.md: {name}"), Terminal(desk) as terminal:
        earlier = desk.bound()
        is_public = desk.sql(f"SELECT 1 FROM members WHERE site_id = '{site}' AND id = '{member}' AND privacy_status = 'PUBLIC'")
        for command in setup + before:
            typed(report, terminal, [command])
            if command.startswith("sleep"):  # long enough by far; a machine that has much to do is given longer
                until("the consumer's queue is bound", lambda: desk.bound() - earlier)
        # After an event the cache may show the state before it for a moment.
        until("nothing is owed", desk.owes_nothing)
        typed(report, terminal, [reader])
        if is_public:
            typed(report, terminal, [f'cd {ROOT} && target/debug/{AGAIN}'])
        sequence = desk.sql(f"SELECT event_sequence FROM members WHERE site_id = '{site}' AND id = '{member}'")
        for pattern in (each.format(site=site, member=member, sequence=sequence) for each in said):
            report.within(pattern, True, lambda pattern=pattern: bool(re.search(pattern, terminal.said())))
        # `kill %1` stops the consumer.
        typed(report, terminal, ["kill %1; wait"])


def root(desk, report, blocks, more):
    """What README.md has one try: its blocks, then the commands that it names between them."""
    with report.part("README.md: try it"), Terminal(desk) as terminal:
        typed(report, terminal, [command for block in blocks for command in block])
        (first,), (second,) = blocks[-2:]
        refused = terminal.type(second.replace(" --elevated", ""))
        report.equal("the second one without --elevated", 1, refused, terminal.said()[-4000:])
        typed(report, terminal, [first])
        desk.installation.broker("PUT", f"queues/{desk.name}/QUEUE", {"durable": True})
        for command in more:
            until("nothing is owed", desk.owes_nothing)
            typed(report, terminal, [command])
