"""All programs of a stack together open fewer connections than PostgreSQL takes."""

import re
from collections.abc import Callable
from typing import get_args

import pytest
import sqlalchemy as sa

from api.admin.health.checks import CHECKS
from api.background.__main__ import CHILDREN as BACKGROUND
from api.models.base import engine
from configs.ground.connection_limits import (
    LIMITS,
    check_connections,
    count_connections,
    describe_shortage,
    list_shares,
)
from configs.settings import DatabaseProgram
from crawler.scheduling.queues import CrawlQueue, queue_names
from deploy.local.ports import usual
from deploy.local.programs import commands, database_programs
from notifier.workers import CHILDREN as NOTIFIER


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


def test_the_table_of_limits_has_every_program_that_runs() -> None:
    counted, shares = count_processes(), list_shares()
    rights = {name: own for name, own in database_programs().items() if own != "proofs"}
    assert counted.keys() == rights.keys()
    others = {"backup", "metrics"}  # one runs nowhere here, the other is a child of background
    assert {name: share.processes for name, share in shares.items() if name not in others} == counted
    limits = {name: LIMITS[rights[name]] for name in counted}
    assert {name: share.each for name, share in shares.items() if name not in others} == limits


def test_the_server_that_we_set_up_takes_them_all(database: str) -> None:
    with engine().connect() as connection:
        read = connection.exec_driver_sql("SHOW max_connections").scalar_one()
        reserved = connection.exec_driver_sql("SHOW superuser_reserved_connections").scalar_one()
    assert describe_shortage(int(read), int(reserved)) is None


def test_a_server_that_takes_fewer_is_named_with_what_to_do(
    settings_env: Callable[..., None], database: str
) -> None:
    needed = count_connections()
    assert describe_shortage(needed + 3, 3) is None
    said = describe_shortage(needed + 2, 3) or ""
    assert said.startswith(
        f"the programs of this machine may open {needed} connections, and PostgreSQL takes {needed - 1}"
    )
    assert f"set max_connections to {needed + 3}, or put PgBouncer before it" in said
    settings_env(SPIDER_PROCESSES="9")
    assert count_connections() == needed + 8 * 4 * 2 * LIMITS["crawler"]


def test_a_program_that_starts_warns_and_starts_all_the_same(
    settings_env: Callable[..., None], database: str, caplog: pytest.LogCaptureFixture, closed_port: int
) -> None:
    from structlog.testing import capture_logs

    with capture_logs() as lines:
        check_connections(database)
        assert lines == []
        settings_env(SPIDER_PROCESSES="90")
        check_connections(database)
        assert ["set max_connections to" in str(line["event"]) for line in lines] == [True]
        check_connections(sa.make_url(database).set(port=closed_port).render_as_string(hide_password=False))
        settings_env(SPIDER_PROCESSES="90", DATABASE_POOLED="true")
        check_connections(database)
    assert len(lines) == 1


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
