"""gunicorn's worker: one that ends leaves nobody waiting."""

import sys

from gunicorn.workers.gthread import ThreadWorker

_AT_ONCE = 1e-5  # seconds


class DrainingWorker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """Takes what waits at its listeners when it is asked to end, then closes them.

    gunicorn's own keeps them open until its last request is answered, and takes nothing from them: nginx would connect,
    send a POST, and lose it at the end. A refused connection goes to the other API.
    """

    def set_accept_enabled(self, enabled: bool) -> None:
        """Stop listening where this ends the worker."""
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            self._stop_listening()

    def _stop_listening(self) -> None:
        interval = sys.getswitchinterval()
        sys.setswitchinterval(_AT_ONCE)  # no request's thread gets in between the last look and the close
        try:
            while self.sockets:
                listener = self.sockets.pop()
                taken = -1
                while taken != self.nr_conns:
                    taken = self.nr_conns
                    self.accept(listener)
                listener.close()
        finally:
            sys.setswitchinterval(interval)
