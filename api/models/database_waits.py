"""The time-out of psycopg2's waits for the database."""

import select
import time

from psycopg2 import OperationalError, extensions

CONNECT_SECONDS = 3.0
_MARGIN = 1.2  # the server, if it lives, gives up first and says why


def wait_no_longer_than(seconds: float) -> None:
    """Have every statement of this process end with OperationalError, its connection closed, after `seconds` and some.

    The server bounds its statements itself, and the kernel notices a machine that vanished; neither helps against a
    stopped process, whose kernel goes on acknowledging. So psycopg2 waits here, where a clock runs.
    https://www.psycopg.org/docs/advanced.html#support-for-coroutine-libraries
    """

    def wait(connection: extensions.connection) -> None:
        connecting = connection.status == extensions.STATUS_SETUP
        until = time.monotonic() + (CONNECT_SECONDS if connecting else seconds * _MARGIN)
        while (state := connection.poll()) != extensions.POLL_OK:
            event = select.POLLIN if state == extensions.POLL_READ else select.POLLOUT
            if not is_ready(connection, until - time.monotonic(), event):
                raise OperationalError(
                    "PostgreSQL does not answer: is it stopped, or its machine overloaded?"
                )

    extensions.set_wait_callback(wait)


def is_ready(connection: extensions.connection, seconds: float = 0.0, event: int = select.POLLIN) -> bool:
    """Return whether a connection's socket can be read, or written, within so many seconds."""
    ready = select.poll()  # select() would refuse descriptors beyond 1023
    ready.register(connection.fileno(), event)
    return bool(ready.poll(max(0.0, seconds) * 1000))
