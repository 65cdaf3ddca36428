"""All programs of a stack together open fewer connections than PostgreSQL takes."""

import re
from collections.abc import Callable
from typing import get_args

import pytest
import sqlalchemy as sa

from api.admin.health.checks import CHECKS
from api.background.__main__ import CHILDREN as BACKGROUND
from api.models.base import LIMITS, engine
from configs.settings import DatabaseProgram
from crawler.scheduling.queues import CrawlQueue, queue_names
from deploy.local.ports import usual
from deploy.local.programs import commands, database_programs
from notifier.workers import CHILDREN as NOTIFIER

_OPERATORS = 10  # connections of psql, `make status`, commands


def read_gunicorn(option: str) -> int:
    (found,) = re.findall(rf"--{option} (\d+)", " ".join(commands(usual(any_port=True))["api"]))
    return int(found)


def count_processes() -> dict[str, int]:
    """Return, by program, the number of processes that may hold connections; a spider and its successor run at once."""
    spiders = sum(CrawlQueue.parse(name).processes for name in queue_names()) + 1  # and discovery
    return {
        "api": read_gunicorn("workers"),
        "stream": 1,
        "scrapyd": 2 * spiders,
        "planner": 1,
        "notifier": len(NOTIFIER),
        "background": len(BACKGROUND),
    }


def test_the_server_that_we_set_up_takes_them_all(database: str) -> None:
    counted = count_processes()
    rights = {name: own for name, own in database_programs().items() if own != "proofs"}
    assert counted.keys() == rights.keys()
    # of which one runs nowhere here, the other is a child of background
    elsewhere = LIMITS["backup"] + LIMITS["reader"]
    ours = sum(processes * LIMITS[rights[name]] for name, processes in counted.items()) + elsewhere
    with engine().connect() as connection:
        read = connection.exec_driver_sql("SHOW max_connections").scalar_one()
        reserved = connection.exec_driver_sql("SHOW superuser_reserved_connections").scalar_one()
    assert ours + _OPERATORS <= int(read) - int(reserved)


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("program", [*get_args(DatabaseProgram), None])
def test_a_process_opens_no_more_than_its_limit(
    program: DatabaseProgram | None, settings_env: Callable[..., None]
) -> None:
    settings_env(**({"PROGRAM": program} if program else {}))
    pool = engine().pool
    assert isinstance(pool, sa.QueuePool)
    assert pool.size() + pool._max_overflow == LIMITS[program]


def test_the_streams_open_fewer_than_a_process_of_the_api() -> None:
    assert LIMITS["api"] >= LIMITS["stream"]


def test_a_process_of_the_api_has_a_connection_for_each_thread_and_health_check() -> None:
    asks_database = {"database", "checks", "partitions", "background"}
    assert asks_database < {each.name for each in CHECKS}
    assert LIMITS["api"] >= read_gunicorn("threads") + len(asks_database)
