"""Restarts a stack's own servers when they end, as an operator's system would, unless a fault holds them down."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from deploy.local.restartable_server import RestartableServer
from deploy.local.stack import Stack

_EVERY = 0.2  # seconds


class ServerRestarter:
    """Revives PostgreSQL and Redis on a thread of its own; one that is held down stays down."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._servers = {server.name: server for server in stack.servers}
        self._held: set[str] = set()
        self._turn = threading.Lock()
        self._stopped = threading.Event()
        self.failure: str | None = None
        self._thread = threading.Thread(target=self._run, name="restarter", daemon=True)
        self._thread.start()

    def server(self, name: str) -> RestartableServer:
        """Return `PostgreSQL` or `Redis`."""
        return self._servers[name]

    def pids(self, name: str) -> list[int]:
        """Return the server's process and those that it started."""
        main = psutil.Process(self.server(name).server.process.pid)
        return [main.pid, *(child.pid for child in main.children(recursive=True))]

    @contextmanager
    def down(self, name: str) -> Iterator[None]:
        """End a server in order and keep it down for as long as the block lasts."""
        with self._turn:
            self._held.add(name)
        try:
            self.server(name).stop()
            yield
        finally:
            with self._turn:
                self._held.discard(name)

    def stop(self) -> None:
        """Revive nothing any more."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(_EVERY):
            with self._turn:
                for name, server in self._servers.items():
                    if name not in self._held:
                        server.revive()
            if (code := self._stack.supervisor.poll()) is not None:
                self.failure = f"supervisord ended with {code}: {self._stack.supervisor_log}"
                return


@contextmanager
def looking_after(stack: Stack) -> Iterator[ServerRestarter]:
    """Revive a stack's servers for as long as the block lasts, and none while the stack is ended."""
    restarter = ServerRestarter(stack)
    try:
        yield restarter
    finally:
        restarter.stop()
