"""Every table has a rule of retention that holds."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from api.background import jobs
from api.background.jobs import list_jobs
from api.models.all import RECORDS
from api.models.base import Base, engine, session
from api.models.support import SupportRequest
from api.retention.rules import RULES, Dropped, DroppedBy, OwnedBy
from configs.ground.clock import clock
from configs.world.retention import SUPPORT_KEPT_FOR
from tests.factories import rows, save

BY_NAME = {each.__tablename__: each.__table__ for each in RECORDS}


def missing_rules(tables: set[str]) -> set[str]:
    return tables - RULES.keys()


def test_every_table_has_a_rule_and_every_rule_a_table() -> None:
    tables = {*Base.metadata.tables, "alembic_version"}
    assert missing_rules(tables) == set(), "say in api/retention/rules.py what takes their rows away"
    assert {name.partition(".")[0] for name in RULES} == tables


def test_a_new_table_without_a_rule_would_be_noticed() -> None:
    assert missing_rules({"users", "shoe_sizes"}) == {"shoe_sizes"}


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if isinstance(rule, OwnedBy)])
def test_rows_go_with_their_owner(name: str) -> None:
    rule = RULES[name]
    assert isinstance(rule, OwnedBy)
    gone_with = {key.column.table.name for key in BY_NAME[name].foreign_keys if key.ondelete == "CASCADE"}
    assert rule.table in gone_with


def test_other_jobs_that_drop_rows_are_scheduled_or_the_planners() -> None:
    named = {rule.how for rule in RULES.values() if isinstance(rule, DroppedBy) and isinstance(rule.how, str)}
    assert named <= {"planner", *(job.name for job in list_jobs())}


@pytest.mark.usefixtures("database")
def test_every_rule_is_applied_in_the_rights_of_the_program() -> None:
    assert any(isinstance(rule, Dropped) for rule in RULES.values())
    assert jobs.apply_retention()["failed"] == 0


@pytest.mark.usefixtures("database", "frozen")
def test_a_rule_that_fails_keeps_no_other_from_being_applied() -> None:
    save(
        SupportRequest(email="x@example.org", message="Bonjour", created_at=clock() - 2 * SUPPORT_KEPT_FOR())
    )
    with session() as s:
        s.execute(sa.text("REVOKE DELETE ON logins, audit FROM rdvpriority_background"))
    counts = jobs.apply_retention()
    assert (counts["failed"], counts["support_requests"], rows(SupportRequest)) == (2, 1, [])


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
