"""Watch of the deployed files: a running program learns that newer ones work, and health that they do not.

New files count once they did not change for DEPLOY_SETTLE_SECONDS: half a deploy is no version. What is refused is
tried again every minute, since the reason may lie elsewhere (a migration that is missing).
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from redis import Redis, RedisError

from configs.clock import clock
from configs.constants import Constant
from configs.deployed_files import code_version
from configs.process_age import on_stop_signals
from configs.redis import redis_client
from configs.refused_files import publish_refusal, withdraw_refusal
from configs.start_trial import try_start

if TYPE_CHECKING:
    from datetime import datetime

# How long the code must have stopped changing before processes are replaced for it
DEPLOY_SETTLE_SECONDS = Constant("DEPLOY_SETTLE_SECONDS", 10.0)
# How often each program looks whether its code or the desk files changed
_FILES_SECONDS = Constant("FILES_SECONDS", 5.0)

_READ = "configs.prefecture.prefectures"
_TRY_AGAIN = 60.0  # seconds
_REDIS_SECONDS = 2.0

log = logging.getLogger(__name__)


class FileWatch:
    """A program's watch. Make it before the program reads any file: what comes after that is newer.

    `accepted`: the version that the program runs, or that would start.
    """

    def __init__(
        self,
        program: str,
        try_files: Callable[[], str],
        read_version: Callable[[], str] = code_version,
        loaded: str | None = None,
        client: Redis | None = None,
    ) -> None:
        """`try_files` returns what is wrong with new files, "" where nothing is; `loaded`: the version in use."""
        self.accepted = loaded or read_version()
        self._program, self._try, self._read = program, try_files, read_version
        self._client = client
        self._seen = self.accepted
        self._try_at = 0.0  # of the monotonic clock: no step of the other one settles files
        self._refused: tuple[datetime, str] | None = None  # since when, and why

    def find_newer(self) -> bool:
        """Tell whether there are newer files that work; report those that do not."""
        found, now = self._read(), time.monotonic()
        if found != self._seen:
            self._seen, self._try_at = found, now + DEPLOY_SETTLE_SECONDS()
        if found == self.accepted:
            self._clear()
            return False
        if now < self._try_at:
            self._report()
            return False
        why = self._try()
        self._try_at = time.monotonic() + _TRY_AGAIN
        if why:
            self._refuse(why)
            return False
        if self._read() != found:  # what was tried is not what is there now
            return False
        self.accepted = found
        self._clear()
        return True

    def run(self, stop: threading.Event, act: Callable[[], object]) -> None:
        """Look every FILES_SECONDS until `stop` is set; call `act` for newer files that work."""
        while not stop.wait(_FILES_SECONDS()):
            try:
                is_newer = self.find_newer()
            except Exception:  # a program's watch must not end
                log.exception("the deployed files cannot be looked at")
                continue
            if is_newer:
                act()

    def start(self, stop: threading.Event, act: Callable[[], object]) -> None:
        """Run on a thread of its own."""
        threading.Thread(target=self.run, args=(stop, act), name="files", daemon=True).start()

    def run_as_child(self) -> int:
        """Run as a process of its own, which ends its parent for newer files that work; return 0."""
        stop, parent = threading.Event(), os.getppid()
        on_stop_signals(stop.set)

        def end() -> None:
            end_for_newer_files(stop)
            os.kill(parent, signal.SIGTERM)

        self.run(stop, end)
        return 0

    def _refuse(self, why: str) -> None:
        if self._refused is None or self._refused[1] != why:
            log.warning("the deployed files are refused, what was loaded goes on: %s", why)
            self._refused = (self._refused[0] if self._refused else clock(), why)
        self._report()

    def _report(self) -> None:
        if self._refused:
            with suppress(RedisError):  # health says that Redis is away
                publish_refusal(self._redis(), self._program, *self._refused)

    def _clear(self) -> None:
        if not self._refused:
            return
        log.info("the deployed files are refused no more")
        with suppress(RedisError):  # then it is forgotten
            withdraw_refusal(self._redis(), self._program)
        self._refused = None

    def _redis(self) -> Redis:
        self._client = self._client or redis_client(_REDIS_SECONDS)
        return self._client


def watch_program(program: str, module: str, *checks: str) -> FileWatch:
    """Return a watch that tries new files by a trial start of `module` (configs/start_trial.py).

    `checks`: functions that the trial calls, by dotted name, besides the reader of the desk files.
    """
    return FileWatch(program, partial(try_start, module, [_READ, *checks]))


def end_for_newer_files(stop: threading.Event) -> None:
    """End a program in order, for its supervisor to start it with the newer files."""
    log.info("newer files are deployed and work: this program ends, to be started with them")
    stop.set()
