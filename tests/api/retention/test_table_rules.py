"""Every table has a rule of retention that holds; operators are alarmed of one that grows against it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
import time_machine

from api.background import jobs
from api.background.jobs import list_jobs
from api.models.all import RECORDS
from api.models.base import Base, engine, session
from api.models.incident import Incident, IncidentReason
from api.models.notification import Notification
from api.models.support import SupportRequest
from api.models.user import Channel
from api.operations.alarms import acknowledge
from api.retention.table_growth import Growth, find_growth
from api.retention.table_rules import PLANNER, TABLE_RULES, AtMost, DroppedByAge, Kept, OwnedBy, Rule
from configs.ground.clock import clock
from tests.api.messages import read_text
from tests.api.operations.operators import Written, add_operator, list_written
from tests.factories import one, rows, save

DAY = timedelta(days=1)
BY_NAME = {each.__tablename__: each.__table__ for each in RECORDS}


def missing_rules(tables: set[str]) -> set[str]:
    return tables - TABLE_RULES.keys()


def test_every_table_has_a_rule_and_every_rule_a_table() -> None:
    tables = {*Base.metadata.tables, "alembic_version"}
    assert missing_rules(tables) == set(), "say in api/retention/table_rules.py what takes their rows away"
    assert TABLE_RULES.keys() - tables == set()


def test_a_new_table_without_a_rule_would_be_noticed() -> None:
    assert missing_rules({"users", "shoe_sizes"}) == {"shoe_sizes"}


@pytest.mark.parametrize("name", [name for name, rule in TABLE_RULES.items() if isinstance(rule, OwnedBy)])
def test_rows_go_with_their_owner(name: str) -> None:
    rule = TABLE_RULES[name]
    assert isinstance(rule, OwnedBy)
    gone_with = {key.column.table.name for key in BY_NAME[name].foreign_keys if key.ondelete == "CASCADE"}
    assert rule.table in gone_with


def test_the_jobs_that_drop_rows_are_scheduled_or_the_planners() -> None:
    named = {rule.job for rule in TABLE_RULES.values() if isinstance(rule, DroppedByAge)}
    assert named <= {PLANNER, *(job.name for job in list_jobs())}


def test_what_proves_the_watch_is_kept_for_ten_years() -> None:
    for name in ("check_days", "outages"):
        rule = TABLE_RULES[name]
        assert isinstance(rule, DroppedByAge)
        assert rule.get_kept_for() >= timedelta(days=3652)


def test_reasons_are_given() -> None:
    reasons: list[Rule] = [rule for rule in TABLE_RULES.values() if isinstance(rule, Kept | AtMost)]
    assert all(rule.because for rule in reasons if isinstance(rule, Kept | AtMost))


@pytest.mark.usefixtures("database")
def test_every_rule_can_be_measured_in_the_rights_of_the_program() -> None:
    assert jobs.report_growth() == {"mails": 0}
    assert rows(Incident) == []


def find_growth_now() -> list[Growth]:
    with session() as s:
        return find_growth(s, clock())


def ask_support(age: timedelta) -> None:
    save(SupportRequest(email="x@example.org", message="Bonjour", created_at=clock() - age))


@pytest.mark.usefixtures("database", "frozen")
def test_rows_that_their_job_should_have_dropped_are_counted() -> None:
    ask_support(367 * DAY)
    assert find_growth_now() == []  # a server may be away for days
    ask_support(369 * DAY)
    assert find_growth_now() == [Growth("support_requests", 1)]
    jobs.drop_support_requests()
    assert find_growth_now() == []


@pytest.fixture
def stranger(database: str) -> Iterator[str]:
    """Make a table that no rule knows, for one test."""
    with engine().begin() as connection:
        connection.execute(sa.text("CREATE TABLE payments_copy (id integer)"))
    yield "payments_copy"
    with engine().begin() as connection:
        connection.execute(sa.text("DROP TABLE payments_copy"))


@pytest.mark.usefixtures("redis_server", "frozen")
def test_a_table_that_no_rule_knows_is_told(stranger: str) -> None:
    add_operator(Channel.TELEGRAM)
    assert find_growth_now() == [Growth(stranger, 0)]
    assert jobs.report_growth() == {"mails": 1}
    assert "Aucune règle de conservation" in read_text(one(Notification))


@pytest.mark.usefixtures("redis_server")
def test_operators_are_alarmed_once_a_month_and_the_acknowledgement_ends_it(
    database: str, frozen: time_machine.Traveller
) -> None:
    add_operator(Channel.TELEGRAM)
    ask_support(400 * DAY)
    assert jobs.report_growth() == {"mails": 1}
    frozen.shift(DAY)
    assert jobs.report_growth() == {"mails": 0}
    assert list_written() == [Written("operations_alarm", Channel.TELEGRAM, again=False)]
    assert "1 ligne de trop" in read_text(one(Notification))
    incident = one(Incident)
    assert (incident.reason, incident.subject) == (IncidentReason.TABLE_GROWTH, "support_requests 2026-11")
    with session() as s:
        acknowledge(s, incident.id)
    assert one(Incident).ends_at == clock()
    frozen.move_to("2026-12-01T09:00:00+00:00")
    assert jobs.report_growth() == {"mails": 1}
