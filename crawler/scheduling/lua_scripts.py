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


CLAIM = _load("claim")
SPEND = _load("spend")
FINISH = _load("finish")
SCHEDULE = _load("schedule")
DROP = _load("drop")
REST = _load("rest")
STOP_HOST = _load("stop_host")
RESUME_HOST = _load("resume_host")
REPLACE_STOPPED = _load("replace_stopped")
READ_STOPPED = _load("read_stopped")
