"""A stand-in between a program and a server: it passes everything on, hangs, or refuses."""

import socket
import threading
from contextlib import suppress
from typing import Literal, Self

_POLL = 0.02  # seconds
Mode = Literal["pass", "hang", "refuse"]


class Relay:
    """Listens on a port of its own; `mode` may change at any time, also for connections that are open.

    `hang` accepts connections and passes nothing on, as a stopped process; `refuse` closes them.
    """

    def __init__(self, address: tuple[str, int], mode: Mode = "pass") -> None:
        self.mode = mode
        self._address = address
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listener.settimeout(_POLL)
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for thread in list(self._threads):
            thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        while not self._ends.is_set():
            with suppress(TimeoutError):
                client, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            self._pass_on(client)

    def _pass_on(self, client: socket.socket) -> None:
        server: socket.socket | None = None
        try:
            while not self._ends.is_set() and self.mode != "refuse":
                if self.mode == "hang":
                    self._ends.wait(_POLL)
                    continue
                server = server or socket.create_connection(self._address, 10)
                for source, target in ((client, server), (server, client)):
                    if not _move(source, target):
                        return
        finally:
            if server:
                server.close()


def _move(source: socket.socket, target: socket.socket) -> bool:
    """Pass on what has come; return whether the connection stands."""
    source.settimeout(_POLL / 10)
    with suppress(TimeoutError):
        data = source.recv(1 << 16)
        target.settimeout(10)
        target.sendall(data)
        return bool(data)
    return True
