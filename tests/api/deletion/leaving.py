"""Helpers: the request that deletes an account, and what it answers."""

from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.models.base import engine, session
from api.models.login import Login
from configs.clock import clock
from tests.api.world import Person

URL = "/api/users/me"
_WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def delete(client: FlaskClient, person: Person, body: dict[str, Any] | None = None) -> TestResponse:
    return client.delete(URL, json=body, headers=person.headers)


def prove(person: Person) -> None:
    """Write that the password was given just now."""
    with session() as s:
        s.get_one(Login, person.login_id).proven_at = clock()


def word(answer: TestResponse) -> str:
    """Return the last word of a problem's type."""
    assert answer.json
    return str(answer.json["type"]).rpartition(":")[2]


def is_one_waiting() -> bool:
    """Whether a transaction waits for another one."""
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as other:
        return bool(other.scalar(_WAITING))
