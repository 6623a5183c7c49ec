"""What was expected, and what came: one line a part, and every difference."""
import contextlib
import sys
import time
import traceback

from installation import PATIENCE


class Report:
    def __init__(self):
        self.passed = self.failed = 0
        self.where = ""

    @contextlib.contextmanager
    def part(self, name):
        self.where, before, began = name, (self.passed, self.failed), time.monotonic()
        try:
            yield
        except Exception:  # the parts after it can still tell something
            self.failed += 1
            print(f"{name}: {traceback.format_exc()}", file=sys.stderr)
        passed, failed = self.passed - before[0], self.failed - before[1]
        if passed + failed == 0:
            self.equal("checks", "some", "none")
        print(f"  {time.monotonic() - began:5.1f}s  {name}: {passed} passed, {failed} failed", file=sys.stderr)

    def equal(self, what, expected, came, more=""):
        if expected == came:
            self.passed += 1
            return
        self.failed += 1
        if isinstance(expected, dict) and isinstance(came, dict):
            expected, came = different(expected, came), different(came, expected)
        print(f"{self.where}: {what}\n  expected: {expected}\n  came:     {came}", file=sys.stderr)
        if more:
            print(f"  {more.strip()}", file=sys.stderr)

    def within(self, what, expected, read, seconds=PATIENCE):
        """The same for what takes its time."""
        deadline = time.monotonic() + seconds
        while (came := read()) != expected and time.monotonic() < deadline:
            time.sleep(0.2)
        self.equal(f"{what}, within {seconds} s", expected, came)


def different(one, other):
    """What stands in one of two and not in the other: of hundreds of members the two that matter."""
    return {key: value for key, value in one.items() if key not in other or other[key] != value}
