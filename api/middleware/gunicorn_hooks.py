"""What gunicorn does besides its options: `gunicorn --config python:api.middleware.gunicorn_hooks`."""

import gc
from typing import Any

from configs.world.prefecture import reload_desk_files

# Extensions of an app: functions to call before the workers fork, in each worker, and with the id of one that ended.
BEFORE_FORK, AFTER_FORK, AFTER_EXIT = "before_fork", "after_fork", "after_exit"
# PROXY_HOPS alone says which headers of a proxy count. By default gunicorn believes a peer on loopback about the scheme
# and SCRIPT_NAME: https://docs.gunicorn.org/en/stable/settings.html#forwarded-allow-ips
forwarded_allow_ips = ""

logger_class = "api.middleware.gunicorn_log.ProgramLogger"
worker_class = "api.middleware.gunicorn_worker.DrainingWorker"


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


def child_exit(server: Any, worker: Any) -> None:
    """Let the app clear up after a worker that ended."""
    for clear_up in server.app.wsgi().extensions.get(AFTER_EXIT, ()):
        clear_up(worker.pid)
