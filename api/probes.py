"""What must work for people to be told: each asked by itself, none waited for longer than a moment."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from threading import Lock
from typing import Any

import sqlalchemy as sa
import structlog
from redis import Redis, RedisError
from rq import Worker
from sqlalchemy.exc import SQLAlchemyError

from api.models.base import session
from api.models.check import Check
from api.models.desk import DeskState
from api.models.notification import QUEUES
from configs.clock import clock
from configs.settings import settings
from configs.words import count

PATIENCE = 1.5  # seconds
_SEEN = "keeper:seen"
log = structlog.get_logger(__name__)


class Down(Exception):
    """A part does not work; the text says what is wrong."""


Probe = Callable[[], str]


class Probes:
    """Runs the probes at once, each at most once at a time: one that hangs is not started again."""

    def __init__(self, probes: Mapping[str, Probe]) -> None:
        self._probes = dict(probes)
        self._threads = ThreadPoolExecutor(len(probes), thread_name_prefix="probe")
        self._running: dict[str, Future[str]] = {}
        self._lock = Lock()

    def report(self) -> dict[str, tuple[bool, str]]:
        """Return for each part whether it works, and why; after PATIENCE seconds at the latest."""
        with self._lock:
            for name, probe in self._probes.items():
                if name not in self._running or self._running[name].done():
                    self._running[name] = self._threads.submit(probe)
            asked = dict(self._running)
        wait(asked.values(), PATIENCE)
        return {name: _finding(name, future) for name, future in asked.items()}


def _finding(name: str, future: "Future[str]") -> tuple[bool, str]:
    if not future.done():
        return False, f"no answer within {PATIENCE} s"
    try:
        return True, future.result()
    except Down as error:
        return False, str(error)
    except (SQLAlchemyError, RedisError) as error:
        log.warning("a part is down", part=name, error=str(error))
        return False, f"does not answer ({type(error).__name__})"
    except Exception as error:  # health must tell of the other parts, whatever one of them does
        log.exception("a part cannot be asked", part=name)
        return False, f"cannot be asked ({type(error).__name__})"


def probes(redis: Redis) -> dict[str, Probe]:
    """Return the parts and how each is asked."""
    return {
        "database": _database,
        "redis": lambda: _redis(redis),
        "eviction": lambda: _eviction(redis),
        "scrapyd": lambda: _scrapyd(redis),
        "workers": lambda: _workers(redis),
        "checks": _checks,
    }


def _database() -> str:
    with session() as s:
        s.execute(sa.text("SELECT 1"))
    return "answers"


def _redis(redis: Redis) -> str:
    redis.ping()
    return "answers"


def _eviction(redis: Redis) -> str:
    memory: Any = redis.info("memory")  # not CONFIG GET: hosted servers refuse it
    policy = memory["maxmemory_policy"]
    if policy != "noeviction":
        raise Down(f"maxmemory-policy is {policy}: set noeviction, or jobs are lost without a word")
    return "noeviction"


def _scrapyd(redis: Redis) -> str:
    seen: Any = redis.get(_SEEN)
    if seen is None:
        raise Down("the keeper has not reported lately: is `scrapy keep` running?")
    found = json.loads(seen)
    if found["scrapyd"] != "ok":
        raise Down(f"scrapyd is {found['scrapyd']}, as the keeper saw it at {found['at']}")
    running = found["running"]
    short = {name: wanted for name, wanted in found["wanted"].items() if running.get(name, 0) < wanted}
    if short:
        missing = ", ".join(
            f"{name} has {running.get(name, 0)} of {wanted}" for name, wanted in short.items()
        )
        raise Down(f"spider processes are missing: {missing}")
    return (
        ", ".join(f"{name}: {count(number, 'spider')}" for name, number in running.items())
        or "no spider runs"
    )


def _workers(redis: Redis) -> str:
    # a worker that was killed keeps its key until its time to live is over
    alive = [worker.queue_names() for worker in Worker.all(connection=redis)]
    listeners = {queue: sum(queue in queues for queues in alive) for queue in QUEUES}
    if idle := [queue for queue, workers in listeners.items() if not workers]:
        raise Down(f"no worker listens to {', '.join(idle)}")
    return ", ".join(f"{queue}: {workers}" for queue, workers in listeners.items())


def _checks() -> str:
    interval = sa.func.greatest(DeskState.wished_seconds, DeskState.feasible_seconds)
    with session() as s:
        fastest, newest = s.execute(
            sa.select(
                sa.select(sa.func.min(interval)).scalar_subquery(),
                sa.select(sa.func.max(Check.started_at)).scalar_subquery(),
            )
        ).one()
    if fastest is None:
        return "no desk is scheduled"
    if newest is None:
        raise Down("desks are scheduled, but none was checked yet")
    age = clock() - newest
    allowed = timedelta(seconds=max(settings().health_age_seconds, 2 * fastest))
    if age > allowed:
        raise Down(
            f"the newest check is {age.total_seconds():.0f} s old: {allowed.total_seconds():.0f} s are allowed"
        )
    return f"the newest is {age.total_seconds():.0f} s old"
