"""Record of the commands that a stack's programs send to Redis, each with its user, as MONITOR shows them."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import redis

from configs.ground.redis import read_rules
from deploy.local.stack import Stack

_EACH = 0.05  # seconds between two looks at who is connected


class RedisRecord:
    """The words of the commands of each user: names, keys and what else they have."""

    def __init__(self, address: str) -> None:
        self._client = redis.Redis.from_url(address, decode_responses=True)
        self._words: dict[str, set[str]] = defaultdict(set)  # by address of the connection
        self._users: dict[str, str] = {}
        self._over = threading.Event()

    def watch_commands(self) -> None:
        """Note commands until the end; what a script calls is its caller's."""
        caller = ""
        with self._client.monitor() as monitor:  # type: ignore[no-untyped-call]
            while not self._over.is_set():
                told: Any = monitor.next_command()
                if told["client_type"] != "lua":
                    caller = f"{told['client_address']}:{told['client_port']}"
                self._words[caller].update(told["command"].split(" "))

    def watch_clients(self) -> None:
        """Note whose each connection is, until the end."""
        while not self._over.wait(_EACH):
            self._users |= {each["addr"]: each["user"] for each in self._client.client_list()}

    def end(self) -> None:
        """Note nothing more."""
        self._over.set()
        self._client.ping()

    def list_words(self, user: str) -> set[str]:
        """Return all words of a user's commands, names in upper case too."""
        held = dict(self._words)  # a copy: the threads go on
        found = {word for at in held if self._users.get(at) == user for word in frozenset(held[at])}
        return found | {word.lower() for word in found}

    def find_unused(self) -> dict[str, set[str]]:
        """Return by user the rules of keys, channels and single commands that no command of its needed."""
        return {user: set(self._list_unused(user, rules)) for user, rules in read_rules().items()}

    def _list_unused(self, user: str, rules: list[str]) -> Iterator[str]:
        words = self.list_words(user)
        for rule in rules:
            if rule[0] in "~%&":
                pattern = rule.lstrip("%RW").lstrip("~&")
                is_used = any(fnmatchcase(word, pattern) for word in words)
            else:
                is_used = rule[0] == "-" or "@" in rule or set(rule[1:].split("|")) <= words
            if not is_used:
                yield rule


@contextmanager
def recorded(stack: Stack) -> Iterator[RedisRecord]:
    """Record what the programs of a stack call while the block lasts."""
    made = RedisRecord(stack.environment["REDIS_URL"])
    threads = [
        threading.Thread(target=each, daemon=True) for each in (made.watch_commands, made.watch_clients)
    ]
    for each in threads:
        each.start()
    try:
        yield made
    finally:
        made.end()
        for each in threads:
            each.join(10)
