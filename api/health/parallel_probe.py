"""Parallel probe of the parts of the status: one that is down is reported and delays no other."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Thread
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from configs.redis import redis_client

PATIENCE = 6.0  # seconds for all parts together
_SOCKET = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class ProbeDown:
    """A part that cannot be shown, and why."""

    down: str


def ask(parts: Mapping[str, Callable[[], Any]], patience: float = PATIENCE) -> dict[str, Any]:
    """Return what each part tells, or ProbeDown; after `patience` seconds at the latest."""
    found: dict[str, Any] = {}
    # daemons: one that hangs for ever must not hold up our end
    threads = [Thread(target=_ask, args=(found, *part), daemon=True) for part in parts.items()]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + patience
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
    silent = ProbeDown(f"no answer within {patience:g} s")
    return {name: found.get(name, silent) for name in parts}


def _ask(found: dict[str, Any], name: str, read: Callable[[], Any]) -> None:
    try:
        found[name] = read()
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is shown, and so are the other parts
        found[name] = ProbeDown(_error_line(error))


def _error_line(error: Exception) -> str:
    """Return an error's first line; SQLAlchemy's own would begin with the driver's class."""
    cause = getattr(error, "orig", None) or error
    text = str(cause).strip().splitlines()
    return f"{text[0]}" if text else type(cause).__name__


def open_redis() -> Redis:
    """Return a client that says at once that Redis is away, or soon that it hangs."""
    client = redis_client()
    client.set_retry(Retry(NoBackoff(), 0))
    client.connection_pool.connection_kwargs["socket_timeout"] = _SOCKET
    return client
