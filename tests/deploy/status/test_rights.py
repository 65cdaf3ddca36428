"""The status is asked with the rights of a reader, which sees no address and writes nothing."""

from collections.abc import Callable
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from api.admin.health.reading import PartAway
from api.migrations.logins import make_logins, parse_logins
from api.models.base import session
from api.models.user import User
from deploy.status import ask_all
from tests.factories import add_desk


def test_every_part_answers_a_reader(
    database: str, redis_server: redis.Redis, settings_env: Callable[..., None]
) -> None:
    add_desk()
    url: Any = make_url(database).set(username="reader_of_tests", password="reader-of-tests")
    address = url.render_as_string(hide_password=False)
    make_logins(database, parse_logins({"reader": address}), 60)
    settings_env(PROGRAM="reader", DATABASE_URL_READER=address)
    found = ask_all(None)
    assert {name: part.down for name, part in found.items() if isinstance(part, PartAway)} == {}
    assert [each for each in found["health"] if "ProgrammingError" in each.reason] == []
    assert [each.reason for each in found["health"] if each.name == "database"] == ["answers"]
    with session() as s, pytest.raises(sa.exc.ProgrammingError, match="permission denied for table users"):
        s.scalars(sa.select(User)).all()
