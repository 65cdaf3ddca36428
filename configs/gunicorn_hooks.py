"""What gunicorn does besides its options: `gunicorn --config python:configs.gunicorn_hooks`."""

import gc
from typing import Any

BEFORE_FORK = "before_fork"  # extension of an app: functions to call before the workers fork
# PROXY_HOPS alone says which headers of a proxy count. By default gunicorn believes a peer on loopback about the scheme
# and SCRIPT_NAME: https://docs.gunicorn.org/en/stable/settings.html#forwarded-allow-ips
forwarded_allow_ips = ""


logger_class = "api.middleware.gunicorn_log.ProgramLogger"


def when_ready(server: Any) -> None:
    """Let the app load what its workers share, and leave what is loaded out of collections.

    A full collection takes longer than many requests, and would copy the memory that the workers share:
    https://docs.python.org/3/library/gc.html#gc.freeze
    """
    for load in server.app.wsgi().extensions.get(BEFORE_FORK, ()):
        load()
    gc.collect()
    gc.freeze()
