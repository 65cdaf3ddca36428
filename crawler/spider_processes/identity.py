"""Identity of this process: its name."""

import os
import socket
from functools import cache


@cache
def process_name() -> str:
    """Return host:pid, as checks are signed."""
    return f"{socket.gethostname()}:{os.getpid()}"
