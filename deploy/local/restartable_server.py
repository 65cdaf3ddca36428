"""Server process that is restarted, on the same port and data, after it was killed."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from deploy.local.processes import StartFailed


class Server(Protocol):
    """What PostgreSQL and Redis here have in common."""

    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End it in order."""


@dataclass
class RestartableServer:
    """A running server and how to start it again."""

    name: str
    server: Server
    again: Callable[[], Server]
    _failing: bool = False
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def revive(self) -> str | None:
        """Start it again if it ended; return what to tell a person, None where nothing is new.

        A try that fails is made again at the next call: a PostgreSQL that was killed leaves children for a moment.
        """
        if self._turn.locked() or self.server.process.poll() is None:
            return None
        with self._turn:
            try:
                self.server = self.again()
            except StartFailed as failure:
                before, self._failing = self._failing, True
                return None if before else f"{self.name} ended and does not start again yet: {failure}"
        self._failing = False
        return f"{self.name} ended: it was started again"

    @contextmanager
    def down(self) -> Iterator[None]:
        """End it in order, and keep it down while the block lasts."""
        with self._turn:
            self.server.stop()
            yield

    def stop(self) -> None:
        """End it in order."""
        self.server.stop()
