"""Clients of tests: how a user's program calls the API."""

from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse


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
