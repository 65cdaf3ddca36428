"""All programs of a stack together open fewer connections than PostgreSQL takes."""

import re
from collections.abc import Callable
from typing import get_args

import pytest
import sqlalchemy as sa

from api.background.__main__ import CHILDREN as BACKGROUND
from api.health.health_checks import list_health_checks
from api.models.base import engine
from api.streaming.database import MOST_CONNECTIONS
from configs.database import connection_limit
from configs.settings import Program
from crawler.scheduling.queues import CrawlQueue, queue_names
from deploy.local.ports import usual
from deploy.local.programs import commands, database_programs
from notifier.workers.__main__ import CHILDREN as NOTIFIER

_OPERATORS = 10  # psql, `make status`, commands


def read_gunicorn(option: str) -> int:
    (found,) = re.findall(rf"--{option} (\d+)", " ".join(commands(usual(any_port=True))["api"]))
    return int(found)


def count_processes() -> dict[str, int]:
    """Return, by program, the number of processes that may hold connections; a spider and its successor run at once."""
    spiders = sum(CrawlQueue.parse(name).processes for name in queue_names()) + 1  # and discovery
    return {
        "api": read_gunicorn("workers"),
        "stream": 1,
        "metrics": 1,
        "scrapyd": 2 * spiders,
        "keeper": 1,
        "planner": 1,
        "proofs": 1,
        "notifier": len(NOTIFIER),
        "background": len(BACKGROUND),
    }


@pytest.mark.usefixtures("database")
def test_the_limits_of_all_programs_stay_below_postgresqls() -> None:
    counted, rights = count_processes(), database_programs()
    assert counted.keys() == rights.keys()
    needed = sum(number * connection_limit(rights[name]) for name, number in counted.items())
    with engine().connect() as connection:
        read = connection.exec_driver_sql("SHOW max_connections").scalar_one()
        reserved = connection.exec_driver_sql("SHOW superuser_reserved_connections").scalar_one()
    assert needed + _OPERATORS <= int(read) - int(reserved), needed


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("program", [*get_args(Program), None])
def test_a_process_opens_no_more_than_its_limit(
    program: Program | None, settings_env: Callable[..., None]
) -> None:
    settings_env(**({"PROGRAM": program} if program else {}))
    pool = engine().pool
    assert isinstance(pool, sa.QueuePool)
    assert pool.size() + pool._max_overflow == connection_limit() == connection_limit(program)


def test_the_streams_open_fewer_than_a_process_of_the_api() -> None:
    assert connection_limit("api") >= MOST_CONNECTIONS


def test_a_process_of_the_api_has_a_connection_for_each_thread_and_health_check() -> None:
    asks_database = {"database", "checks", "partitions", "background"}
    assert asks_database < set(list_health_checks(None))  # type: ignore[arg-type] # none is asked here
    assert connection_limit("api") >= read_gunicorn("threads") + len(asks_database)
