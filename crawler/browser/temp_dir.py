"""Where a browser leaves its temporary files: a folder of its own, which goes with it, however it goes.

Chromium and Playwright's driver leave profiles, artifacts and sockets behind when they are killed. The process that
uses a folder holds a lock on it (flock(2)), which the kernel lets go when that process ends: what nobody holds was
left, whatever process ids mean by then (a container's begin anew). It loads little, for the sake of the watch over
the pictures (crawler/proofs).
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crawler.browser import process_tree

PREFIX = "rdvpriority-browser-"
_TRIES = 20  # to remove what processes that just were killed still write
_PAUSE = 0.05


class Folder:
    """A new folder, below the machine's own for temporary files (TMPDIR, else /tmp). `leave` removes it.

    Raises:
        OSError: none can be made there.
    """

    def __init__(self) -> None:
        with _alone():  # who tidies meanwhile would take it for left
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
            self._hold = _hold(self.path)

    @property
    def environment(self) -> dict[str, str]:
        """Return what a process is started with that is to have its temporary files here, and whatever it starts."""
        return {"TMPDIR": str(self.path)}

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Let what is started meanwhile have its temporary files here: Playwright asks nobody about its driver's."""
        before = {name: os.environ.get(name) for name in self.environment}
        os.environ |= self.environment
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})

    def processes(self) -> list[int]:
        """Return those that were started to have their temporary files here, and still run."""
        return _users(self.path)

    def leave(self) -> None:
        """End what still runs with it, and remove it."""
        if self._hold is not None:
            hold, self._hold = self._hold, None
            _remove(self.path, hold)


def tidy() -> None:
    """Remove what processes left that were killed, and end what they started and is still there."""
    with _alone():
        found = [(path, _hold(path)) for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*")]
    for path, hold in found:
        if hold is not None:
            _remove(path, hold)


@contextmanager
def _alone() -> Iterator[None]:
    """Have it all to oneself for a moment."""
    folder = os.open(tempfile.gettempdir(), os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _hold(path: Path) -> int | None:
    """Take hold of a folder for as long as this process lives; None where another does, or it is another user's."""
    try:
        folder = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(folder)
        return None
    return folder


def _remove(path: Path, hold: int) -> None:
    """End the users of a folder, and remove it; what cannot be removed now, the next one to tidy finds."""
    for _ in range(_TRIES):
        for pid in _users(path):
            process_tree.kill(pid)
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            break
        time.sleep(_PAUSE)
    os.close(hold)


def _users(path: Path) -> list[int]:
    return process_tree.find_by_environment(f"TMPDIR={path}")
