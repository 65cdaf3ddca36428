"""The processes that a process started, and theirs: how much memory they hold together, and their end."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_KB = 1024  # bytes, as /proc counts them
_MB = 1_000_000


def children(pid: int) -> list[int]:
    """Return the ids of what a process started itself; none where there is no /proc."""
    found: list[int] = []
    for each in _PROC.glob(f"{pid}/task/*/children"):
        with suppress(OSError):  # it has just ended
            found += map(int, each.read_text("ascii").split())
    return found


def descendants(pid: int) -> list[int]:
    """Return the ids of all that a process started, and of what those started."""
    return [each for child in children(pid) for each in (child, *descendants(child))]


def command_of(pid: int) -> str:
    """Return a process's command line; empty where it is gone."""
    with suppress(OSError):
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    return ""


def memory(pids: Iterable[int]) -> int:
    """Return the megabytes that processes hold together; what they share is counted once (PSS)."""
    return round(sum(map(_proportional, pids)) * _KB / _MB)


def kill(pids: Iterable[int]) -> None:
    """End processes at once; those that are gone already are none's loss."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _proportional(pid: int) -> int:
    """Return a process's share in kB."""
    with suppress(OSError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
