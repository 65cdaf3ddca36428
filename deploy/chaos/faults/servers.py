"""PostgreSQL and Redis that end, are away, hang or forget."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import redis

from deploy.chaos.faults import Field, fault
from deploy.chaos.journal import Spell
from deploy.chaos.processes import until
from deploy.chaos.snapshots import put_back_redis

_BACK = 30.0  # seconds in which a server that died is to be revived


@fault("redis")
def restart_redis(field: Field, _spell: Spell) -> None:
    """Redis ends in order and is back at once."""
    field.restarter.server("Redis").stop()
    _wait_for_redis(field)


@fault("redis")
def kill_redis(field: Field, _spell: Spell) -> None:
    """Redis dies."""
    _kill(field, "redis", field.restarter.pids("Redis")[0])
    _wait_for_redis(field)


@fault("redis", weight=2)
def empty_redis(field: Field, _spell: Spell) -> None:
    """Redis forgets everything: due times, jobs, leases, workers."""
    _redis(field).flushall()


@fault("redis", weight=2)
def restore_older_redis(field: Field, _spell: Spell) -> None:
    """Redis comes back with what it held when the run began: tokens, due times and jobs of long ago."""
    with field.restarter.down("Redis"):
        put_back_redis(field.stack.state / "redis", field.redis_snapshot)
    _wait_for_redis(field)


@fault("redis", "spider", "scrapyd", names="redis")
def stop_redis(field: Field, _spell: Spell) -> None:
    """Redis is away for a while."""
    with field.restarter.down("Redis"):
        time.sleep(6)
    _wait_for_redis(field)


@fault("redis", "spider", "scrapyd", names="redis")
def hang_redis(field: Field, _spell: Spell) -> None:
    """Redis takes connections and says nothing."""
    with frozen(field.restarter.pids("Redis")):
        time.sleep(6)


@fault("postgres")
def restart_postgres(field: Field, _spell: Spell) -> None:
    """PostgreSQL ends in order and is back at once."""
    field.restarter.server("PostgreSQL").stop()
    _wait_for_postgres(field)


@fault("postgres")
def kill_postgres(field: Field, _spell: Spell) -> None:
    """PostgreSQL dies as a whole and recovers from its log."""
    _kill(field, "postgres", field.restarter.pids("PostgreSQL")[0])
    _wait_for_postgres(field)


@fault("postgres")
def kill_a_connection_of_postgres(field: Field, _spell: Spell) -> None:
    """One process of PostgreSQL dies, and with it every connection: it trusts the shared memory no more."""
    main = psutil.Process(field.restarter.pids("PostgreSQL")[0])
    serving = [each for each in main.children() if "127.0.0.1(" in " ".join(each.cmdline())]
    if serving:
        _kill(field, "postgres connection", field.rng.choice(serving).pid)
    _wait_for_postgres(field)


@fault("postgres", names="database")
def stop_postgres(field: Field, _spell: Spell) -> None:
    """PostgreSQL is away for what is a minute in life."""
    with field.restarter.down("PostgreSQL"):
        time.sleep(field.rng.uniform(10, 14))
    _wait_for_postgres(field)


@fault("postgres", names="database")
def hang_postgres(field: Field, _spell: Spell) -> None:
    """PostgreSQL takes connections and says nothing."""
    with frozen(field.restarter.pids("PostgreSQL")):
        time.sleep(5)


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    """Let processes stand still for as long as the block lasts."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGCONT)


def _kill(field: Field, kind: str, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    field.journal.killed(kind, pid)


def _redis(field: Field) -> redis.Redis:
    return redis.Redis.from_url(field.stack.environment["REDIS_URL"], socket_timeout=2)


def _wait_for_redis(field: Field) -> None:
    def answers() -> bool:
        try:
            return bool(_redis(field).ping())
        except redis.RedisError:
            return False

    until(answers, "Redis is back", _BACK)


def _wait_for_postgres(field: Field) -> None:
    def answers() -> bool:
        try:
            with field.engine.connect():
                return True
        except Exception:  # noqa: BLE001 -- whatever it says, it is not back yet
            return False

    until(answers, "PostgreSQL is back", _BACK)
