"""Jobs of retention find old rows by an index, however many young ones there are."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from api.background import jobs
from api.models.base import engine, session

JOBS = [
    jobs.apply_retention,
    jobs.end_unused_accounts,
]
# Read whole once a night: a row for each job, some for each account.
SMALL = {"jobs", "contacts", "phone_codes", "telegram_links"}


@contextmanager
def recorded() -> Iterator[list[str]]:
    """Note the statements of the block, with their parameters."""
    found: list[str] = []

    def note(_: Any, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
        if statement.startswith(("SELECT", "DELETE", "UPDATE")):
            found.append(cursor.mogrify(statement, parameters).decode())

    sa.event.listen(engine(), "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(engine(), "before_cursor_execute", note)


def list_nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from list_nodes(below)


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.__name__)
def test_a_job_reads_by_index(job: Callable[[], Any]) -> None:
    with recorded() as statements:
        job()
    assert statements
    with session() as s:
        s.execute(sa.text("SET LOCAL enable_seqscan = off"))
        for statement in statements:
            explained = s.connection().exec_driver_sql(
                f"EXPLAIN (FORMAT JSON) {statement.replace('%', '%%')}"
            )
            (plan,) = explained.scalar_one()
            scanned = {
                node["Relation Name"] for node in list_nodes(plan["Plan"]) if node["Node Type"] == "Seq Scan"
            }
            assert scanned <= SMALL, (statement, json.dumps(plan)[:500])
