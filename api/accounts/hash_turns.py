"""Turns at hashing passwords: PASSWORD_HASHES at a time on a machine, in all processes together, and a kept one.

A hash takes a core for 0.2 s. Without turns a wave of sign-ins would leave no core to anything else. The kept turn is
for people who are known (api/middleware/known_places.py) or signed in: a wave of strangers leaves it to them.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.errors import ApiError
from configs.settings import settings
from configs.settings.constants import Constant

# Longest wait for one's turn to be hashed; then the answer is 503 with Retry-After
_PASSWORD_WAIT_SECONDS = Constant("PASSWORD_WAIT_SECONDS", 2.0)

_LOOK_SECONDS = 0.02
# Threads of a process that may wait at once, strangers' and others': with two that hash they leave one of gunicorn's
# eight to reads.
_WAITING = {False: 3, True: 2}
_places = {kept: threading.BoundedSemaphore(most) for kept, most in _WAITING.items()}
_KEPT = "kept"


@contextmanager
def take_turn(*, kept: bool = False) -> Iterator[None]:
    """Wait for a turn, and hold it while the block runs. A process that dies gives its turn back.

    With `kept` it is the kept one or any other.

    Raises:
        api.errors.ApiError: 503, no turn came within PASSWORD_WAIT_SECONDS, or too many wait already.
    """
    if not _places[kept].acquire(blocking=False):
        raise _build_refusal()
    try:
        lock = _wait_for_lock(kept=kept)
    finally:
        _places[kept].release()
    try:
        yield
    finally:
        os.close(lock)


def _wait_for_lock(*, kept: bool) -> int:
    """Return the open file whose lock is the turn."""
    folder = settings().state_dir / "password-hashes"
    folder.mkdir(parents=True, exist_ok=True)
    names = [*([_KEPT] if kept else []), *map(str, range(settings().password_hashes))]
    until = time.monotonic() + _PASSWORD_WAIT_SECONDS()
    while True:
        for name in names:
            if (lock := _try_lock(folder / name)) is not None:
                return lock
        if time.monotonic() >= until:
            raise _build_refusal()
        time.sleep(_LOOK_SECONDS)


def _try_lock(path: Path) -> int | None:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def _build_refusal() -> ApiError:
    detail = "too many sign-ins at this moment: try again"
    return ApiError(503, "busy", detail, headers={"Retry-After": "2"})
