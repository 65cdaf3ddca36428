"""Clients of tests: how a user's program calls the API."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from flask_jwt_extended import create_access_token
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from api.logins.service import open_login
from api.models.base import session
from api.models.user import User


@dataclass(frozen=True)
class Answer:
    """An answer with its JSON, empty where it has none."""

    status_code: int
    json: dict[str, Any]
    headers: Headers

    @classmethod
    def of(cls, found: TestResponse) -> "Answer":
        return cls(found.status_code, found.json or {}, found.headers)


@dataclass(frozen=True)
class ApiClient:
    """A signed-in user's program."""

    client: FlaskClient
    headers: dict[str, str]

    def get(self, path: str, **query: Any) -> Answer:
        return Answer.of(self.client.get(path, query_string=query, headers=self.headers))

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        return Answer.of(self.client.open(path, method=method, json=body, headers=self.headers))


def sign_in(app: Flask, user_id: UUID) -> tuple[UUID, dict[str, str]]:
    """Sign a user in; return the login, and the header that proves it."""
    with session() as s:
        user = s.get_one(User, user_id)
        change = open_login(s, user, "", from_known_address=True)
        claims = {"ver": user.token_version, "login": str(change.login.id)}
    with app.app_context():
        # As long as the login: tests step the clock by days.
        token = create_access_token(str(user_id), expires_delta=timedelta(days=7), additional_claims=claims)
    return change.login.id, {"Authorization": f"Bearer {token}"}
