"""A parent that has loaded everything and forks its children, so that they share its memory (as gunicorn's --preload).

It works for nobody itself and holds no connection: it starts again what ended, and ends with its children. Signals
wait until it asks for them, so that none comes between a fork and its note.
"""

import ctypes
import gc
import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

import structlog

from configs.file_watch import NEWER, FileWatch

_ESTABLISHED = 5.0  # seconds; who ends earlier ended at its start, and must not be started in a tight loop
_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGALRM)
_WATCH = "files"  # the child that watches the deployed files
_ADOPTED = "PREFORK_CHILDREN"  # how a parent that renews itself hands its children to itself
# https://man7.org/linux/man-pages/man2/prctl.2.html
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Child:
    """One thing to do, by a process or, for the moment, by none (`pid` 0); instants are of the monotonic clock."""

    run: Callable[[], int]
    pid: int = 0
    started: float = 0.0
    due: float = 0.0
    failures: int = 0

    def note_end(self) -> float:
        """Note the end; return the seconds until the next start."""
        now = time.monotonic()
        self.failures = self.failures + 1 if now - self.started < _ESTABLISHED else 0
        pause = min(_LONGEST_PAUSE, _PAUSE * 2 ** (self.failures - 1)) if self.failures else 0.0
        self.pid, self.due = 0, now + pause
        return pause


class Prefork:
    """The parent of one child per name; `children` are what each does, and return its exit code.

    One more child watches the deployed files. When it finds newer ones that work, we load ourselves anew in the same
    process, beside the children that go on. Those are then asked to leave between two jobs, one after the other.
    """

    def __init__(self, children: Mapping[str, Callable[[], int]], watch: FileWatch) -> None:
        self._children = {name: _Child(run) for name, run in children.items()}
        self._children[_WATCH] = _Child(watch.run_as_child)
        self._outdated: deque[tuple[str, int]] = deque()  # adopted children, by name and process id
        self._asked = 0  # the child that was asked to leave last

    def run(self) -> int:
        """Keep all children running until SIGTERM or SIGINT; return 0 when the last has ended."""
        signal.signal(signal.SIGCHLD, _nothing)  # what is ignored, as by default, need not wait for us
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
        self._adopt()
        # https://docs.python.org/3/library/gc.html#gc.freeze: a collection would touch, and so copy, what is shared
        gc.freeze()
        gc.enable()  # for the children; it looks at nothing frozen
        while self._hear() not in (signal.SIGTERM, signal.SIGINT):
            self._reap()
            self._start()
            self._lead_out()
        self._end()
        return 0

    def _hear(self) -> int:
        """Wait for a signal, or until a child is due."""
        due = [child.due for child in self._children.values() if not child.pid]
        signal.setitimer(signal.ITIMER_REAL, max(0.001, min(due) - time.monotonic()) if due else 0)
        return signal.sigwait(_HEARD)

    def _start(self) -> None:
        parent = os.getpid()
        for name, child in self._children.items():
            if child.pid or child.due > time.monotonic():
                continue
            child.pid, child.started = os.fork(), time.monotonic()
            if not child.pid:
                _be(name, parent)
                sys.exit(child.run())

    def _reap(self) -> None:
        names = {child.pid: name for name, child in self._children.items()}
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, code = ended[0], os.waitstatus_to_exitcode(ended[1])
                if pid in names:
                    self._note(names[pid], code)

    def _note(self, name: str, code: int) -> None:
        child = self._children[name]
        pid, pause = child.pid, child.note_end()
        if name == _WATCH and code == NEWER:
            self._renew()
        if code == 0:
            log.info("child left, the next one starts", child=name, pid=pid, seconds=pause)
        else:
            log.warning("child died and is started again", child=name, pid=pid, how=_how(code), seconds=pause)

    def _renew(self) -> NoReturn:
        log.info("newer files are deployed and work: loading them")
        os.environ[_ADOPTED] = json.dumps({name: each.pid for name, each in self._children.items()})
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 -- our own command, once more

    def _adopt(self) -> None:
        """Adopt the children from before this process re-executed itself; end those without a known name."""
        for name, pid in json.loads(os.environ.pop(_ADOPTED, "{}")).items():
            if name in self._children:
                self._children[name].pid, self._children[name].started = pid, time.monotonic()
                self._outdated.append((name, pid))
            elif pid:
                os.kill(pid, signal.SIGTERM)

    def _lead_out(self) -> None:
        """Ask the next child of before the renewal to leave, once the one before it has a successor."""
        while self._outdated:
            name, pid = self._outdated[0]
            if pid and self._children[name].pid == pid:
                if self._asked != pid:
                    os.kill(pid, signal.SIGUSR1)  # a child that ended is our zombie: its number is not reused
                    self._asked = pid
                return
            self._outdated.popleft()

    def _end(self) -> None:
        pids = [child.pid for child in self._children.values() if child.pid]
        for pid in pids:
            os.kill(pid, signal.SIGTERM)  # one that ended already is our zombie: its number is not reused
        for pid in pids:
            os.waitpid(pid, 0)


def _be(name: str, parent: int) -> None:
    """Become a child, shown as `name` (15 letters) by ps and top; when the parent dies, the kernel asks us to end."""
    if sys.platform == "linux":
        kernel = ctypes.CDLL(None)
        kernel.prctl(_PR_SET_NAME, name.encode())
        kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)


def _nothing(_number: int, _frame: object) -> None:
    pass


def _how(code: int) -> str:
    return f"exit status {code}" if code > 0 else f"terminated by {signal.Signals(-code).name}"
