"""`python -m deploy.local.run_supervisord`: supervisord that outlives a full disk.

It prints what it cannot log, and where even that cannot be written it would end, and all programs with it.
"""

import io
import os
import sys
from contextlib import suppress

from supervisor import supervisord


class Lossy(io.TextIOBase):
    """Writes text to an open file (its descriptor), unbuffered; what cannot be written is lost and raises nothing."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def write(self, text: str) -> int:
        """Write, or lose it."""
        with suppress(OSError):
            os.write(self._descriptor, text.encode("utf-8", "replace"))
        return len(text)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor


def main() -> None:
    """Be supervisord."""
    sys.stdout, sys.stderr = Lossy(1), Lossy(2)
    supervisord.main()


if __name__ == "__main__":
    main()
