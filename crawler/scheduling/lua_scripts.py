"""The due queue's Lua scripts: the files `lua/<name>.lua`, whose heads name keys, arguments, result and changes.

A line `-- include: <name>` stands for another file's text. docs/reference/due-queue.md has the picture and the keys.
"""

import re
from pathlib import Path

_FOLDER = Path(__file__).with_name("lua")
_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


def _load(name: str) -> str:
    text = (_FOLDER / f"{name}.lua").read_text("utf-8")
    return _INCLUDE.sub(lambda match: _load(match[1]), text)


_clock = _load("_clock")


def replace_clock(lua: str) -> None:
    """Let all scripts go by other lines than those of `_clock.lua`: tests freeze it."""
    global _clock  # noqa: PLW0603 -- one for the process
    _clock = lua


def complete(script: str) -> str:
    """Return a script with the clock that it goes by."""
    return _clock + script


CLAIM = _load("claim")
SPEND = _load("spend")
FINISH = _load("finish")
SCHEDULE = _load("schedule")
REST = _load("rest")
