"""What the worker may be configured with, as its own files tell it: all keys, and those that are secrets or may hold one."""
import pathlib
import re
import tomllib

PREFIX = "JOIN_COMMUNITY__"
DEFAULTS = tomllib.loads(pathlib.Path("config/default.toml").read_text())


def listed(name):
    """The keys in a list of src/config/secrets.rs."""
    source = pathlib.Path("src/config/secrets.rs").read_text()
    return set(re.findall(r'"([a-z_.]+)"', re.search(rf"const {name}: \[&str; \d+\] = \[(.*?)\];", source, re.S)[1]))


def key_of(variable):
    """The key that a variable of the environment sets."""
    return variable.removeprefix(PREFIX).replace("__", ".").lower()


SECRETS, HIDDEN = listed("SECRETS"), listed("HIDDEN")
assert "broker.url" in SECRETS and HIDDEN, "src/config/secrets.rs is read wrongly"
