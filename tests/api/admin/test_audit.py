"""Rows of the audit cannot be changed, nor removed before three years are over."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from api.admin.audit import Actor, AuditedWork, record_audit
from api.background import jobs
from api.models.audit import ActorKind, AuditEntry
from api.models.base import session
from configs.ground.clock import clock
from tests.factories import rows, save

YEARS = timedelta(days=3 * 366)
pytestmark = pytest.mark.usefixtures("database")


def entry(days_ago: float = 0, action: str = "host.stop") -> None:
    save(
        AuditEntry(
            at=clock() - timedelta(days=days_ago),
            actor_kind=ActorKind.COMMAND,
            action=action,
            subject_type="host",
        )
    )


def test_no_statement_changes_or_removes_a_row_and_an_operator_has_an_id() -> None:
    entry()
    for each in (
        "UPDATE audit SET action = 'nothing'",
        "UPDATE audit SET at = at - interval '4 years'",
        "DELETE FROM audit",
        "TRUNCATE audit",
    ):
        with pytest.raises(sa.exc.DBAPIError, match="kept unchanged"), session() as s:
            s.execute(sa.text(each))
    with pytest.raises(sa.exc.IntegrityError, match="ck_audit_actor"), session() as s:
        record_audit(AuditedWork(s, Actor(None, ActorKind.ADMIN)), "host.stop", "host", "a:80")
    assert [row.action for row in rows(AuditEntry)] == ["host.stop"]


def test_the_job_drops_what_is_older_than_three_years_and_nothing_else() -> None:
    entry(YEARS.days + 1, "old")
    entry(3 * 365 - 2, "young")
    entry(0, "new")
    assert jobs.apply_retention()["audit"] == 1
    assert {row.action for row in rows(AuditEntry)} == {"young", "new"}
