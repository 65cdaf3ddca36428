"""Worker processes: a parent that forks them, the age at which they are replaced, signals that end them sooner.

The parent has loaded everything and forks its children, so that they share its memory (as gunicorn's --preload). It
starts again what ended, ends with its children, and does nothing else. Signals wait until it asks for them, so that
none comes between a fork and its note.
"""

import ctypes
import gc
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from types import FrameType

import structlog

from configs.ground.clock import clock
from configs.settings import Constant

# Age at which a worker is replaced
_worker_age_seconds = Constant("WORKER_AGE_SECONDS", 3600.0)

SHORTEST = 0.8  # of WORKER_AGE_SECONDS
_ESTABLISHED = 5.0  # seconds; who ends earlier ended at its start, and must not be started in a tight loop
_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_ASKED = (signal.SIGTERM, signal.SIGINT)
_HEARD = (*_ASKED, signal.SIGHUP, signal.SIGCHLD, signal.SIGALRM)
# https://man7.org/linux/man-pages/man2/prctl.2.html
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15

log = structlog.get_logger(__name__)


def keep_running(children: Mapping[str, Callable[[], int]], reload: Callable[[], bool]) -> int:
    """Fork a child for each name, which does that and returns its exit code; return 0 when we were asked to end.

    SIGHUP asks to end, too, where `reload` finds the files right that it reads again.
    """
    signal.signal(signal.SIGCHLD, lambda *_: None)  # what is ignored, as by default, need not wait for us
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    # https://docs.python.org/3/library/gc.html#gc.freeze: a collection would touch, and so copy, what is shared
    gc.freeze()
    gc.enable()  # for the children; it looks at nothing frozen
    # By process id: the child's name, and its start on the monotonic clock
    alive: dict[int, tuple[str, float]] = {}
    due, failures = dict.fromkeys(children, 0.0), dict.fromkeys(children, 0)
    while True:
        for name in [each for each, at in due.items() if at <= time.monotonic()]:
            del due[name]
            alive[_fork(name, children[name])] = name, time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, max(0.001, min(due.values()) - time.monotonic()) if due else 0)
        heard = signal.sigwait(_HEARD)
        if heard in _ASKED or (heard == signal.SIGHUP and reload()):
            break  # after SIGHUP the supervisor starts us again, with the new files
        for pid, code in _reap():
            if pid not in alive:  # a container's first process is given orphans, too
                continue
            name, started = alive.pop(pid)
            failures[name] = failures[name] + 1 if time.monotonic() - started < _ESTABLISHED else 0
            pause = min(_LONGEST_PAUSE, _PAUSE * 2 ** (failures[name] - 1)) if failures[name] else 0.0
            due[name] = time.monotonic() + pause
            _log_end(name, pid, code, pause)
    for pid in alive:
        os.kill(pid, signal.SIGTERM)  # one that ended already is our zombie: its number is not reused
    for pid in alive:
        os.waitpid(pid, 0)
    return 0


def name_process(name: str) -> None:
    """Show this process as `name` (15 letters) in ps, top and `make status`."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode())


def _fork(name: str, run: Callable[[], int]) -> int:
    """Return the id of a child, which ends when its parent does, even by SIGKILL."""
    parent = os.getpid()
    if pid := os.fork():
        return pid
    name_process(name)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
    sys.exit(run())


def _reap() -> Iterator[tuple[int, int]]:
    """Yield the process id and the exit code of each child that ended."""
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            yield ended[0], os.waitstatus_to_exitcode(ended[1])


def _log_end(name: str, pid: int, code: int, pause: float) -> None:
    if code == 0:
        log.info("child left, the next one starts", child=name, pid=pid, seconds=pause)
        return
    how = f"exit status {code}" if code > 0 else f"terminated by {signal.Signals(-code).name}"
    log.warning("child died and is started again", child=name, pid=pid, how=how, seconds=pause)


def leaves_at() -> datetime:
    """Return when a process that begins now leaves.

    Workers that started together must not leave together: no worker would be left for some seconds.
    """
    share = random.uniform(SHORTEST, 1)  # noqa: S311 -- spreads, protects nothing
    return clock() + timedelta(seconds=_worker_age_seconds() * share)


def on_stop_signals(act: Callable[[], None]) -> None:
    """Call `act` on SIGTERM and on SIGINT."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        act()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
