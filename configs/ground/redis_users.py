"""Users of Redis, one a program: configs/ground/redis_users.acl as lines of Valkey's ACL file, with passwords."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

RULES = Path(__file__).with_suffix(".acl")
OWNER = "default"  # operators, health of the server, tests


def read_rules() -> dict[str, list[str]]:
    """Return the rules of each user, in order."""
    found: dict[str, list[str]] = {}
    for line in RULES.read_text("utf-8").splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["user"]:
            mine = found.setdefault(words[1], [])
            words = words[2:]
        if words:
            mine.extend(words)
    return found


def write_users(passwords: Mapping[str, str]) -> str:
    """Return an ACL file, https://valkey.io/topics/acl/; `passwords` has one for each user, and the owner's."""
    return "".join(f"{line}\n" for line in _list_lines(passwords))


def _list_lines(passwords: Mapping[str, str]) -> Iterator[str]:
    rules = {OWNER: ["~*", "&*", "+@all"], **read_rules()}
    for user, words in rules.items():
        digest = hashlib.sha256(passwords[user].encode()).hexdigest()
        yield " ".join(("user", user, "on", f"#{digest}", *words))
