"""The planner's statements: their number and their plans do not grow with the number of desks."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from api.models.base import engine, session
from configs.desk import Desk
from crawler.scheduling import desk_store

HOST = "127.77.0.91:8800"


@pytest.fixture
def sent(database: str) -> list[str]:
    found: list[str] = []

    def note(*arguments: Any) -> None:
        found.append(arguments[2])

    sa.event.listen(engine(), "before_cursor_execute", note)
    return found


def test_desks_that_are_not_watched_take_as_many_statements_however_many_they_are(
    desk_files: Callable[..., dict[str, Desk]], sent: list[str]
) -> None:
    numbers = []
    for many in (2, 40):
        desks = desk_files(grade="retired", **{f"of-{many}-{n}": HOST for n in range(many)}).values()
        sent.clear()
        with session() as rows:
            desk_store.insert_missing(rows, desks)
        numbers.append(len(sent))
    assert numbers[0] == numbers[1]


def test_each_desk_finds_its_queue_without_reading_those_of_all_others(database: str) -> None:
    with session() as rows:
        desk_store.write_queues(rows, {"evry_91/a": "prefenligne"})
        explain = sa.text(f"EXPLAIN {desk_store._QUEUES.text}")
        plan = "\n".join(rows.scalars(explain, {"id": ["evry_91/a"], "queue": ["prefenligne"]}))
    assert "SubPlan" not in plan
