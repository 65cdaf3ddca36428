"""A process with all that it started: a browser makes processes of its own, in groups of their own.

Read from /proc; where there is none (macOS), a tree is its root alone. It loads nothing, for the watch's sake.
"""

import os
import signal
from contextlib import suppress

_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1_000_000


def tree(root: int) -> list[int]:
    """Return a process and its descendants, parents first."""
    children: dict[int, list[int]] = {}
    for pid in _processes():
        children.setdefault(_parent(pid), []).append(pid)
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def resident(root: int) -> int:
    """Return what a process and its descendants hold, in MB; what they share, as a browser's program, is left out."""
    return round(sum(_pages(pid) for pid in tree(root)) * _PAGE_MB)


def kill(root: int) -> None:
    """End a process and its descendants at once."""
    _kill(tree(root))


def marked(mark: str) -> list[int]:
    """Return the processes that were started with `NAME=value` in their environment: orphans have no root any more."""
    return [pid for pid in _processes() if _is_marked(pid, mark.encode())]


def kill_marked(mark: str) -> None:
    """End them at once."""
    _kill(marked(mark))


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _is_marked(pid: int, mark: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
            return mark in file.read().split(b"\0")
    except OSError:
        return False


def step_back(root: int) -> None:
    """Let the descendants of a process have what nobody else wants of the processors.

    Being nice is not enough: Chromium, as root, gives its processes a priority above all others'. See sched(7).
    """
    for pid in tree(root)[1:]:
        for task in _tasks(pid):
            with suppress(OSError):
                os.sched_setscheduler(task, os.SCHED_IDLE, os.sched_param(0))


def _tasks(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208 -- loads less
    except OSError:
        return []


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 -- loads less
    except OSError:
        return []


def _parent(pid: int) -> int:
    """Return a process's parent; the name before it may hold anything, closing brackets too (proc(5))."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _pages(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123
            _, resident, shared, *_ = map(int, file.read().split())
            return resident - shared
    except (OSError, IndexError, ValueError):
        return 0
