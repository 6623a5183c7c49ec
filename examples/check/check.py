#!/usr/bin/env python3
"""Runs the examples against the real worker, by the test vectors of the contract, and lets others read its events.
Usage: check.py WORKER; see scripts/examples."""
import signal
import sys

import blocks
import consumers
import in_rust
import interop
import producers
import readers
import refusals
import webhooks
from installation import Installation, vectors
from programs import NODE
from report import Report


def main(program):
    report = Report()
    # Whoever ends this shall find nothing left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    receiver = webhooks.Receiver() if NODE else None
    try:
        run(program, report, receiver)
    finally:
        if receiver:
            receiver.stop()
    print(f"examples: {report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


def run(program, report, receiver):
    with Installation(program, receiver.configuration() if receiver else "") as installation:
        installation.start()
        running = consumers.start(installation)
        try:
            consumers.bound(installation, report, running)
            everything(installation, report, running)
            if receiver:
                webhooks.check(installation, report, receiver)
        finally:
            for consumer in running:
                consumer.stop()
        blocks.check(installation, report)
        if report.failed:
            print(f"the worker's last words:\n{installation.log()}", file=sys.stderr)


def everything(installation, report, running):
    producers.well_formed(installation, report, vectors("requests-valid"))
    producers.malformed(installation, report, vectors("requests-invalid"))
    producers.decisions(installation, report, vectors("decisions"))
    producers.enqueued(installation, report, vectors("requests-invalid"))
    in_rust.check(installation, report, vectors("decisions"))
    joined = refusals.by_hand(installation, report)
    refusals.refused(installation, report)
    consumers.by_vectors(installation, report, running, vectors("events"))
    consumers.unreadable(installation, report, running)
    consumers.by_the_worker(installation, report, running)
    readers.check(installation, report, vectors("profiles"), joined)
    interop.check(installation, report)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
