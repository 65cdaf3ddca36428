"""The API in one process, on a real database and a real Redis."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from flask_jwt_extended import create_access_token

import notifier
from api.app import create_app
from api.models.base import session
from api.models.user import Channel, Contact, Grant, User
from configs.clock import clock
from configs.plan import PlanName

PASSWORD = "correct horse battery"
PREFECTURES = Path(__file__).parent / "prefectures"
"""Desk files of a small world: bobigny_93 (two desks, one of them by site), melun_77 (one), cergy_95 (none)."""


@dataclass
class Door:
    """What the API called at the notifier's front door, in order."""

    nudged: list[UUID]
    caught_up: list[UUID]


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    """Listen at the front door: what waits behind it has tests of its own."""
    calls = Door([], [])
    monkeypatch.setattr(notifier, "nudge", lambda ids: calls.nudged.extend(ids))
    monkeypatch.setattr(notifier, "catch_up", calls.caught_up.append)
    return calls


@pytest.fixture
def app(
    database: str, redis_server: redis.Redis, settings_env: Callable[..., None], door: Door
) -> Iterator[Flask]:
    settings_env(PREFECTURES_DIR=PREFECTURES, FRONTEND_URL="https://front.example")
    made = create_app()
    made.testing = False  # errors are answered, as in life
    yield made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@dataclass
class Person:
    """A user and the header that signs them in."""

    id: UUID
    email: str
    headers: dict[str, str]

    def holds(self, plan: PlanName, days: float = 1, starts: float = 0) -> None:
        """Grant a plan from `starts` days from now on."""
        now = clock() + timedelta(days=starts)
        with session() as s:
            s.add(
                Grant(
                    user_id=self.id, plan=plan, starts_at=now, ends_at=now + timedelta(days=days), source="test"
                )
            )


@pytest.fixture
def person(app: Flask) -> Callable[..., Person]:
    """Make a user who is signed in: `person("camille@example.org", plan=PlanName.URGENCE_24H)`."""

    def make(email: str = "camille@example.org", plan: PlanName | None = None) -> Person:
        with session() as s:
            user = User(email=email, password_hash=None)
            s.add(user)
            s.flush()
            s.add(Contact(user_id=user.id, channel=Channel.EMAIL, address=email, enabled=True))
        with app.app_context():
            token = create_access_token(str(user.id), additional_claims={"ver": user.token_version})
        made = Person(user.id, email, {"Authorization": f"Bearer {token}"})
        if plan:
            made.holds(plan)
        return made

    return make


def rows(kind: type[Any]) -> list[Any]:
    """Return every row of a table."""
    with session() as s:
        return list(s.scalars(sa.select(kind)))
