"""A mail server of a few lines whose every reply a test chooses, with TLS where it wants some."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socket import SHUT_RDWR, create_server, socket

SILENCE, HANG_UP, TRICKLE, FLOOD = "", "hang up", "250-more", f"250-{'x' * 4000}"  # replies that are none
_USUAL = {
    "GREETING": "220 ready",
    "EHLO": "250-mail.example\r\n250-AUTH PLAIN\r\n250 SIZE 1000000",
    "STARTTLS": "220 go on",
    "AUTH": "235 2.7.0 in",
    "DATA": "354 go on",
    "DOT": "250 2.0.0 queued",
    "QUIT": "221 bye",
}


@dataclass
class ScriptedMailServer:
    """Answers each command by its verb; `GREETING` and `DOT` are the connection and the end of a mail."""

    listening: socket
    replies: dict[str, list[str]]  # by verb; the last one repeats
    starttls: ssl.SSLContext | None = None
    from_start: ssl.SSLContext | None = None
    verbs: list[str] = field(default_factory=list)
    encrypted: set[str] = field(default_factory=set)  # verbs that came by TLS
    connections: int = 0
    _open: list[socket] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Return host and port."""
        return f"127.0.0.1:{self.listening.getsockname()[1]}"

    def serve(self) -> None:
        """Take one connection after the other until the listening socket is closed."""
        with suppress(OSError):
            while True:
                wire, _ = self.listening.accept()
                self.connections += 1
                self._open.append(wire)
                with suppress(OSError), wire:
                    self._talk(
                        self.from_start.wrap_socket(wire, server_side=True) if self.from_start else wire
                    )

    def close(self) -> None:
        """End it and its connections."""
        self.listening.shutdown(SHUT_RDWR)
        self.listening.close()
        for wire in self._open:
            with suppress(OSError):
                wire.shutdown(SHUT_RDWR)
            wire.close()

    def _talk(self, wire: socket) -> None:
        self._open.append(wire)
        lines = wire.makefile("rb")
        if not self._reply(wire, "GREETING"):
            return
        while line := lines.readline():
            verb = line.split()[0].decode("latin-1").upper()  # of a connection that ends, anything
            self.verbs.append(verb)
            if isinstance(wire, ssl.SSLSocket):
                self.encrypted.add(verb)
            if not self._reply(wire, verb):
                return
            if verb == "STARTTLS" and self.starttls:
                wire = self.starttls.wrap_socket(wire, server_side=True)
                self._open.append(wire)
                lines = wire.makefile("rb")
            if verb == "DATA" and self._last == "354 go on":
                while lines.readline() not in (b".\r\n", b""):
                    pass
                if not self._reply(wire, "DOT"):
                    return

    def _reply(self, wire: socket, verb: str) -> bool:
        script = self.replies.get(verb) or [_USUAL.get(verb, "250 2.0.0 OK")]
        self._last = script.pop(0) if len(script) > 1 else script[0]
        if self._last == HANG_UP:
            return False
        while self._last == TRICKLE:  # until the other side has had enough
            wire.sendall(f"{TRICKLE}\r\n".encode())
            time.sleep(0.01)
        while self._last == FLOOD:
            wire.sendall(f"{FLOOD}\r\n".encode())
        wire.sendall(f"{self._last}\r\n".encode() if self._last else b"")
        return True


@contextmanager
def scripted_mail_server(
    starttls: ssl.SSLContext | None = None,
    from_start: ssl.SSLContext | None = None,
    **replies: str | list[str],
) -> Iterator[ScriptedMailServer]:
    """Run one: `scripted_mail_server(RCPT="550 5.1.1 no", DOT=[HANG_UP, "250 OK"])`."""
    script = {verb: [each] if isinstance(each, str) else each for verb, each in replies.items()}
    if starttls:
        script.setdefault("EHLO", ["250-mail.example\r\n250-AUTH PLAIN\r\n250 STARTTLS"])
    server = ScriptedMailServer(create_server(("127.0.0.1", 0)), script, starttls, from_start)
    thread = threading.Thread(target=server.serve, name="scripted mail server")
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()
