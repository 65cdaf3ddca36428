"""The state folder of a local stack: its lock, and what it keeps for programs that join."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENVIRONMENT = "env"  # the file that a shell and `make status` read the stack's variables from
LOGS = "logs"


class AlreadyRunning(RuntimeError):
    """Another stack holds the state folder; the text says which process."""


class StateUnusable(RuntimeError):
    """The state folder cannot be written; the text says why and what to set."""


def folder() -> Path:
    """Return where STATE_DIR says that a local stack keeps its state."""
    return Path(os.environ.get("STATE_DIR", ".state")).resolve()


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel frees it when we die.

    Raises:
        AlreadyRunning: another stack uses the folder.
        StateUnusable: the folder cannot be written.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = _lock(state).open("a+")
    except OSError as error:
        raise StateUnusable(f"{error}: the state cannot be kept there; set STATE_DIR to a folder") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise AlreadyRunning(
                f"{state} is in use by process {lock.read().strip() or '?'}: stop it first (Ctrl-C there),"
                " or set STATE_DIR to another folder"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def is_held(state: Path) -> bool:
    """Whether a stack runs on that folder now."""
    try:
        lock = _lock(state).open()
    except OSError:
        return False
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _lock(state: Path) -> Path:
    return state / "lock"
