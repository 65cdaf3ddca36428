"""Process trees: a process with all its descendants. A browser starts processes in process groups of their own.

Source is /proc; without it (macOS) a tree is its root only. A process that ends meanwhile is left out; nothing is
raised.
"""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress

_MB = 1_000_000  # bytes
_KB = 1024  # bytes, as /proc counts them


def tree(root: int) -> list[int]:
    """Return a process and its descendants, parents first."""
    children: dict[int, list[int]] = {}
    for pid in _processes():
        children.setdefault(_parent(pid), []).append(pid)
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def proportional(pids: Iterable[int]) -> int:
    """Return the memory of processes in MB; shared pages count once (PSS)."""
    return round(sum(map(_share, pids)) * _KB / _MB)


def kill(root: int) -> None:
    """Kill a process and its descendants."""
    for pid in tree(root):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def find_by_environment(mark: str) -> list[int]:
    """Return the processes with `NAME=value` in their environment: it also finds orphans, which have no root."""
    return [pid for pid in _processes() if mark.encode() in _read_proc_file(pid, "environ").split(b"\0")]


def step_back(root: int) -> None:
    """Let the descendants of a process run only when nothing else wants a processor: SCHED_IDLE, see sched(7).

    Nice values are not enough: Chromium, as root, raises the priority of its processes. Where the kernel shares time
    among sessions first ("autogroup" in sched(7)), those of the descendants' own sessions get the least share, too.
    """
    found = tree(root)[1:]
    for pid in found:
        for task in _tasks(pid):
            with suppress(OSError):
                os.sched_setscheduler(task, os.SCHED_IDLE, os.sched_param(0))
    for session in {_session(pid) for pid in found} - {_session(root), 0}:
        with suppress(OSError), open(f"/proc/{session}/autogroup", "w") as file:  # noqa: PTH123
            file.write("19")


def _session(pid: int) -> int:
    """Return the session of a process; 0 if the process has ended."""
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def _tasks(pid: int) -> list[int]:
    return _numbers(f"/proc/{pid}/task")


def _processes() -> list[int]:
    return _numbers("/proc")


def _numbers(folder: str) -> list[int]:
    try:
        return [int(name) for name in os.listdir(folder) if name.isdigit()]  # noqa: PTH208 -- loads less
    except OSError:
        return []


def _parent(pid: int) -> int:
    """Return a process's parent; the process name before it may contain any character (proc(5))."""
    fields = _read_proc_file(pid, "stat").rpartition(b")")[2].split()
    return int(fields[1]) if fields else 0


def _share(pid: int) -> int:
    """Return a process's proportional share in kB."""
    lines = (line.split() for line in _read_proc_file(pid, "smaps_rollup").splitlines())
    return next((int(words[1]) for words in lines if words[0] == b"Pss:"), 0)


def _read_proc_file(pid: int, name: str) -> bytes:
    """Return a file of a process in /proc; empty if the process has ended, or is another user's."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return b""
