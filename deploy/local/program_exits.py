"""Unexpected exits of programs, read from supervisord's log and shown at the terminal."""

import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

_EXIT = re.compile(
    r" exited: (?P<name>[\w-]+) \((?P<how>[^;]+); not expected\)"  # supervisord
    r"|child died and is started again .*child=(?P<child>[\w-]+) how='(?P<why>[^']+)'"  # configs/ground/prefork.py
)
_QUIET = 60.0  # seconds before the same program is reported again


@dataclass
class Exits:
    """Reads what supervisord, or a parent that forks its children, wrote since the last look."""

    log: Path
    _read: int = 0
    _told: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._read = self.log.stat().st_size if self.log.exists() else 0

    def new(self) -> list[str]:
        """Return a sentence for each program that ended unexpectedly, for each of them once in a minute."""
        if not self.log.exists():
            return []
        with self.log.open("rb") as file:
            if file.seek(0, os.SEEK_END) < self._read:
                self._read = 0  # another file took its name
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        self._read += len(whole)
        found = {
            match["name"] or match["child"]: match
            for match in _EXIT.finditer(whole.decode("utf-8", "replace"))
        }
        return [self._say(match) for name, match in found.items() if self._is_new(name)]

    def _say(self, match: re.Match[str]) -> str:
        if match["child"]:
            return f"{match['child']} ended ({match['why']}) and is started again; why: {self.log}"
        log = self.log.with_name(f"{match['name']}.log")
        return f"{match['name']} ended ({match['how']}) and is started again; why: {log}"

    def _is_new(self, name: str) -> bool:
        now = time.monotonic()
        if name in self._told and now < self._told[name] + _QUIET:
            return False
        self._told[name] = now
        return True
