"""Reader of a socket that ends by a deadline.

Time-outs of sockets are per read, so that an answer that trickles would have no end.
"""

import io
import socket
import time
from typing import Any


class DeadlineReader(io.RawIOBase):
    """Reads an answer until a deadline: what the socket's time-out leaves at the beginning is for all reads."""

    def __init__(self, source: io.RawIOBase, sock: socket.socket) -> None:
        self._source, self._sock = source, sock
        self._ends = time.monotonic() + (sock.gettimeout() or 0.0)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Raise TimeoutError after the deadline."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer was not whole in time")
        self._sock.settimeout(left)
        return self._source.readinto(buffer)

    def close(self) -> None:
        """Close the source too."""
        self._source.close()
        super().close()
