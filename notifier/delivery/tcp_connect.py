"""Connections by TCP in so many seconds, the look-up of the name included.

`getaddrinfo` knows no time-out: where the name server of one provider is silent, it takes as long as the resolver's
settings say, often half a minute. https://man7.org/linux/man-pages/man5/resolv.conf.5.html
"""

import socket
import threading
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Any

_Addresses = Sequence[tuple[Any, ...]]  # as getaddrinfo gives them


def connect(host: str, port: int, seconds: float) -> socket.socket:
    """Return a connection to the first address of a name that answers.

    Raises:
        socket.gaierror: the name has none.
        OSError: no address answers, or not in time (TimeoutError).
    """
    ends = time.monotonic() + seconds
    failure: OSError = TimeoutError(f"no connection in {seconds:.1f} s")
    for *_, address in _look_up(host, port, seconds):
        left = ends - time.monotonic()
        if left <= 0:
            break
        try:
            made = socket.create_connection(address[:2], left)
        except OSError as error:
            failure = error
        else:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # each request is one message
            return made
    raise failure


def _look_up(host: str, port: int, seconds: float) -> _Addresses:
    """Return the addresses of a name; what takes longer goes on in a thread of its own, and is forgotten."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name
    found: SimpleQueue[_Addresses | OSError] = SimpleQueue()

    def ask() -> None:
        try:
            found.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            found.put(error)

    threading.Thread(target=ask, name=f"look-up of {host}", daemon=True).start()
    try:
        answer = found.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"{host} was not looked up in {seconds:.1f} s") from None
    if isinstance(answer, OSError):
        raise answer
    return answer
