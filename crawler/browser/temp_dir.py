"""Temporary folder of a browser, which is removed with it, even after a kill.

Chromium and Playwright's driver leave profiles, artifacts and sockets behind when they are killed. The process that
uses a folder holds a lock on it (flock(2)), which the kernel releases when the process ends. So an unlocked folder is
a leftover, also in a restarted container, whose process ids repeat.
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
_TRIES = 20  # to remove files that killed processes still write
_PAUSE = 0.05


class TempDir:
    """A new folder in TMPDIR, by default /tmp. `leave` removes it.

    Raises:
        OSError: it cannot be created.
    """

    def __init__(self) -> None:
        with _alone():  # otherwise `tidy` of another process could take it for a leftover
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
            self._hold = _hold(self.path)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment for processes that put their temporary files here."""
        return {"TMPDIR": str(self.path)}

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Set TMPDIR to this folder meanwhile: Playwright has no option for its driver's environment."""
        before = {name: os.environ.get(name) for name in self.environment}
        os.environ |= self.environment
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})

    def processes(self) -> list[int]:
        """Return the running processes that use this folder."""
        return _users(self.path)

    def leave(self) -> None:
        """Kill the processes that use it, and remove it."""
        if self._hold is not None:
            hold, self._hold = self._hold, None
            _remove(self.path, hold)


def tidy() -> None:
    """Remove the folders of killed processes, and kill the processes that still use them."""
    with _alone():
        found = [(path, _hold(path)) for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*")]
    for path, hold in found:
        if hold is not None:
            _remove(path, hold)


@contextmanager
def _alone() -> Iterator[None]:
    """Lock the temporary folder against other processes."""
    folder = os.open(tempfile.gettempdir(), os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _hold(path: Path) -> int | None:
    """Lock a folder until this process ends; None if another process has it, or it is another user's."""
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
    """Kill the users of a folder, and remove it; a later `tidy` removes what remains."""
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
