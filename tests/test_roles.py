"""The code of a program runs under the program's role, and what a test asks itself as the owner."""

from collections.abc import Callable

import psycopg2
import pytest
import sqlalchemy as sa

from api.background import jobs
from api.models.base import session
from configs.ground.clock import clock
from crawler import planner

pytestmark = pytest.mark.usefixtures("database")


def refuse(role: str, table: str) -> None:
    with session() as s:
        s.execute(sa.text(f"REVOKE ALL ON {table} FROM {role}"))


@pytest.mark.parametrize(
    ("role", "table", "act"),
    [
        ("rdvpriority_crawler", "hosts", lambda: planner._recover_hosts(clock())),
        ("rdvpriority_background", "exports", jobs.drop_exports),
    ],
)
def test_a_missing_grant_fails_what_a_program_does(role: str, table: str, act: Callable[[], object]) -> None:
    refuse(role, table)
    with pytest.raises(sa.exc.ProgrammingError) as refused:
        act()
    assert isinstance(refused.value.orig, psycopg2.errors.InsufficientPrivilege)
    with session() as s:
        assert list(s.execute(sa.text(f"TABLE {table}"))) == []  # the owner reads it
        assert s.scalar(sa.text("SELECT current_user = session_user")) is True
