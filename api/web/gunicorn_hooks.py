"""Hooks of gunicorn beside its options: `gunicorn --config python:api.web.gunicorn_hooks`."""

import gc
import sys
from typing import Any

from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from configs.world.prefecture import reload_desk_files

# Extensions of an app: functions to call before the workers fork, and in each worker.
BEFORE_FORK, AFTER_FORK = "before_fork", "after_fork"
# PROXY_HOPS alone says which headers of a proxy count. By default gunicorn believes a peer on loopback about the scheme
# and SCRIPT_NAME: https://docs.gunicorn.org/en/stable/settings.html#forwarded-allow-ips
forwarded_allow_ips = ""

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


class ProgramLogger(Logger):  # type: ignore[misc] # gunicorn has no types
    """Passes gunicorn's own lines on to the handlers of `set_up_logs`, which the app calls when it is loaded."""

    def setup(self, cfg: Config) -> None:
        """Set the levels, and no handler."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


logger_class, worker_class = ProgramLogger, DrainingWorker


def on_starting(server: Any) -> None:
    """Let the app load what its workers share, and leave what is loaded out of collections.

    gunicorn does not listen yet: nginx would count it among the APIs that are back, and requests would wait.
    A full collection takes longer than many requests, and would copy the memory that the workers share:
    https://docs.python.org/3/library/gc.html#gc.freeze
    """
    for load in server.app.wsgi().extensions.get(BEFORE_FORK, ()):
        load()
    gc.collect()
    gc.freeze()


def on_reload(server: Any) -> None:  # noqa: ARG001 -- as gunicorn calls it
    """After SIGHUP, let the workers that follow have the desk files as they are now, if these are right."""
    reload_desk_files()


def post_fork(server: Any, worker: Any) -> None:  # noqa: ARG001 -- as gunicorn calls it
    """Let the app prepare a worker."""
    for prepare in server.app.wsgi().extensions.get(AFTER_FORK, ()):
        prepare()
