"""The state folder of a local stack: its lock, its private files, and what it keeps for programs that join."""

import fcntl
import os
import secrets
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ENVIRONMENT = "env"  # the file that a shell and `make status` read the stack's variables from
LOGS = "logs"


class StateUnusable(RuntimeError):
    """The state folder is another stack's, or cannot be written; the text says what to do."""


def folder() -> Path:
    """Return where STATE_DIR says that a local stack keeps its state."""
    return Path(os.environ.get("STATE_DIR", ".state")).resolve()


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel frees it when we die.

    Raises:
        StateUnusable: another stack uses the folder, or it cannot be written; the text says what to do.
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
            raise StateUnusable(
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


def kept_secret(path: Path, prefix: str = "") -> str:
    """Return the secret that the file holds; where there is none it is drawn and written first.

    It is there whole or not at all: a disk that was full must not leave an empty password to the next start.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        half = path.with_name(f"{path.name}.new")
        write_private(half, prefix + secrets.token_urlsafe(32))
        half.replace(path)
    return path.read_text("utf-8").strip()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, even where more could read the one before."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")


def write_variables(file: Path, variables: Mapping[str, str]) -> None:
    """Write variables as a shell reads them (`set -a; . file`), for us alone: there are secrets among them."""
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items()), "utf-8")


def read_kept(file: Path) -> dict[str, str]:
    """Return what `write_variables` wrote.

    Raises:
        OSError: there is no such file, or it is not ours to read.
    """
    return dict(line.split("=", 1) for line in shlex.split(file.read_text("utf-8")))
