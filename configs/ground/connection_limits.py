"""Limits of database connections: how many each program may hold, and whether the server takes them all."""

from collections.abc import Mapping
from typing import NamedTuple

import psycopg2
import structlog

from configs.settings import Program, settings

# Connections that one process opens at most. A process of the API has eight threads, and five health checks that ask
# the database; the workers are single threads with a thread for their lease; a spider writes on a thread of its own.
LIMITS: Mapping[Program | None, int] = {
    "api": 13, "background": 3, "backup": 4, "crawler": 5, "notifier": 3, "reader": 3, "stream": 2, None: 15,
}  # fmt: skip
_SYSTEMS = 4  # booking systems; each has a queue for HTTP and one for browsers
_DISCOVERY = 1
_WORKERS = 7  # of the notifier: six, and the sweep
_SPARE = 10  # psql, `make status`, commands
_CONNECT_SECONDS = 5
_READ = """
SELECT current_setting('max_connections')::int,
  current_setting('superuser_reserved_connections')::int
  + coalesce(current_setting('reserved_connections', true)::int, 0)
"""

log = structlog.get_logger(__name__)


class Share(NamedTuple):
    """A program's processes that use the database, and how many connections each of them holds at most."""

    processes: int
    each: int


def list_shares() -> dict[str, Share]:
    """Return the share of each program that one machine runs; a spider and its successor run at once."""
    current = settings()
    spiders = _SYSTEMS * (current.spider_processes + current.browser_processes) + _DISCOVERY
    return {
        "api": Share(2, LIMITS["api"]),
        "stream": Share(1, LIMITS["stream"]),
        "metrics": Share(1, LIMITS["reader"]),
        "scrapyd": Share(2 * spiders, LIMITS["crawler"]),
        "planner": Share(1, LIMITS["crawler"]),
        "notifier": Share(_WORKERS, LIMITS["notifier"]),
        "background": Share(2, LIMITS["background"]),
        "backup": Share(1, LIMITS["backup"]),
    }


def count_connections() -> int:
    """Return how many connections all programs of this machine hold at most, with some for operators."""
    return sum(each.processes * each.each for each in list_shares().values()) + _SPARE


def describe_shortage(most: int, reserved: int) -> str | None:
    """Return what to do where a server of `most` connections (`reserved` for others) does not take ours, else None."""
    needed = count_connections()
    if needed <= most - reserved:
        return None
    return (
        f"the programs of this machine may open {needed} connections, and PostgreSQL takes {most - reserved}"
        f" (max_connections {most}, of which {reserved} are reserved): set max_connections to {needed + reserved},"
        " or put PgBouncer before it (docs/database-roles.md)"
    )


def check_connections(address: str) -> None:
    """Warn where the programs may open more connections than the server takes; call it when a program starts.

    A server that is away is no reason: programs wait for it. Behind PgBouncer (DATABASE_POOLED) its pools are
    the limit, and clients wait for a turn.
    """
    if settings().database_pooled:
        return
    try:
        connection = psycopg2.connect(address.replace("+psycopg2", "", 1), connect_timeout=_CONNECT_SECONDS)
    except psycopg2.OperationalError:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute(_READ)
            ((most, reserved),) = cursor.fetchall()
    except psycopg2.Error as error:
        log.warning("the limit of connections cannot be read", because=type(error).__name__)
        return
    finally:
        connection.close()
    if shortage := describe_shortage(most, reserved):
        log.warning(shortage)
