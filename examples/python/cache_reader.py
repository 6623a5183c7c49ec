"""Reads a member's public profile from the cache.

Usage: REDIS_URL=redis://… cache_reader.py SITE MEMBER
Exit code: 0 it is printed, 1 the cache has none: ask the record.
"""
import json
import os
import sys

import redis
from redis.exceptions import RedisError

PREFIX = os.environ.get("CACHE_PREFIX", "members:v1")


def read(cache, site, member):
    """The profile, or None: there is no entry, or one without a profile (a tombstone), which readers take for none."""
    profile = cache.hget(f"{PREFIX}:{site.lower()}:{member.lower()}", "member")
    return None if profile is None else json.loads(profile)


def main(site, member):
    cache = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=0.5, socket_connect_timeout=0.5)
    try:
        profile = read(cache, site, member)
    except RedisError as error:  # the cache is a shortcut: without it the way is longer, not closed
        print(f"Redis: {error!r}", file=sys.stderr)
        profile = None
    if profile is None:
        print("not in the cache: ask the record", file=sys.stderr)
        return 1
    print(json.dumps(profile))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
