"""Reader of a socket that ends by a deadline, and after so many bytes.

Time-outs of sockets are per read, so that an answer that trickles would have no end. One that floods would fill the
worker's memory in the time that a call has.
"""

import errno
import io
import socket
import time
from typing import Any

MOST_BYTES = 1 << 20  # of an answer; the longest that providers give have some kilobytes


class DeadlineReader(io.RawIOBase):
    """Reads an answer until a deadline: what the socket's time-out leaves at the beginning is for all reads."""

    def __init__(self, source: io.RawIOBase, sock: socket.socket) -> None:
        self._source, self._sock = source, sock
        self._ends = time.monotonic() + (sock.gettimeout() or 0.0)
        self._bytes_left = MOST_BYTES

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Raise TimeoutError after the deadline, OSError after too many bytes."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer was not whole in time")
        if self._bytes_left <= 0:
            raise OSError(errno.EMSGSIZE, "the answer is too long")
        self._sock.settimeout(left)
        count = self._source.readinto(buffer)
        self._bytes_left -= count or 0
        return count

    def close(self) -> None:
        """Close the source too."""
        self._source.close()
        super().close()
