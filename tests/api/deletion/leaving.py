"""Helpers: the request that deletes an account, and what it answers."""

from typing import Any

import sqlalchemy as sa

from api.models.base import engine
from api.models.login import Login
from configs.ground.clock import clock
from tests.clients import Answer, Person
from tests.factories import change

URL = "/api/users/me"
_WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def delete(person: Person, body: dict[str, Any] | None = None) -> Answer:
    return person.delete(URL, body)


def prove(person: Person) -> None:
    """Write that the password was given just now."""
    change(Login, Login.id == person.login_id, proven_at=clock())


def is_one_waiting() -> bool:
    """Whether a transaction waits for another one."""
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as other:
        return bool(other.scalar(_WAITING))
