"""Redis clients of all programs."""

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

from configs.settings import settings

RULES = Path(__file__).with_name("redis_users.acl")
OWNER = "default"  # operators, health of the server, tests


def redis_client(answer_seconds: float = 30, *, retries: bool = True) -> Redis:
    """Return a new client for REDIS_URL (its pool is its own; connections open at first use).

    Time-outs keep a program from hanging with a Redis that hangs; `answer_seconds` is that of an answer. Without
    `retries`, which take seconds, it says at once that Redis is away.

    Raises:
        configs.settings.SettingMissing: REDIS_URL is not set.
    """
    url = settings().require("redis_url")
    once = {} if retries else {"retry": Retry(NoBackoff(), 0)}
    return Redis.from_url(
        url, socket_timeout=answer_seconds, socket_connect_timeout=2, health_check_interval=15, **once
    )


def open_redis(answer_seconds: float = 2) -> Redis:
    """Return a client for looking: it says at once that Redis is away, and after `answer_seconds` that it hangs.

    Raises:
        configs.settings.SettingMissing: REDIS_URL is not set.
    """
    return redis_client(answer_seconds, retries=False)


@lru_cache(maxsize=2)
def _redis(_url: str) -> Redis:
    return open_redis()


def redis() -> Redis:
    """Return the process's client for short calls."""
    return _redis(settings().require("redis_url"))


@lru_cache(maxsize=8)
def read_script(package: str, name: str) -> Script:
    """Return the script of `<name>.lua` in a package; a call names its client."""
    return redis().register_script((files(package) / f"{name}.lua").read_text("utf-8"))


def read_rules() -> dict[str, list[str]]:
    """Return the rules of each user, in order."""
    text = re.sub("#.*", "", RULES.read_text("utf-8"))
    users = (each.split() for each in re.split("^user ", text, flags=re.MULTILINE)[1:])
    return {name: words for name, *words in users}


def write_users(passwords: Mapping[str, str]) -> str:
    """Return an ACL file, https://valkey.io/topics/acl/; `passwords` has one for each user, and the owner's."""
    lines, rules = [], {OWNER: ["~*", "&*", "+@all"], **read_rules()}
    for user, words in rules.items():
        digest = hashlib.sha256(passwords[user].encode()).hexdigest()
        lines.append(" ".join(("user", user, "on", f"#{digest}", *words)))
    return "".join(f"{line}\n" for line in lines)
