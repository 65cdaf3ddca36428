"""The monitor of a chaos run takes an API that dies in the middle of an answer for one that is down."""

import socket
import threading

import pytest

from deploy.chaos.health_monitor import _read_health

HEAD = b"HTTP/1.1 %s X\r\nContent-Length: 100\r\n\r\n{"


@pytest.mark.parametrize("status", [b"200", b"503"])
def test_an_answer_that_breaks_off_is_no_answer(status: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as peer:
                peer.recv(4096)
                peer.sendall(HEAD % status)

        thread = threading.Thread(target=answer)
        thread.start()
        found = _read_health(f"http://127.0.0.1:{server.getsockname()[1]}/")
        thread.join()
    assert (found.status, found.down) == (0, frozenset({"api"}))
