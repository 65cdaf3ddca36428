"""A visitor for the stand-ins: keeps cookies, follows nothing by itself, hides nothing."""

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from deploy.sandbox.running import Running

WAIT = 5.0  # seconds; a stand-in that is well answers in milliseconds


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def location(self) -> str | None:
        return self.headers["Location"]


class Visitor:
    def __init__(self, base: str) -> None:
        self.host, self.port = urlsplit(base).hostname or "", urlsplit(base).port
        self.cookies: dict[str, str] = {}

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        timeout: float = WAIT,
    ) -> Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        sent = {"User-Agent": "tests", "Connection": "close", **(headers or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            connection.request(method, path, body, {key: value for key, value in sent.items() if value})
            answer = connection.getresponse()
            given: SimpleCookie = SimpleCookie(answer.headers.get("Set-Cookie", ""))
            self.cookies |= {name: morsel.value for name, morsel in given.items()}
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask(
            "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    def send(self, path: str, **form: str) -> Answer:
        """Post a form."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, urlencode(form).encode(), kind)

    def post(self, path: str, body: object = None, **headers: str) -> Answer:
        """Post JSON."""
        kind = {"Content-Type": "application/json"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, json.dumps(body).encode() if body is not None else b"", kind | named)


@pytest.fixture
def visit(sandbox: Running) -> Callable[[str | int], Visitor]:
    """Give visitors: of a department's site by its code, of another stand-in by its base URL."""

    def visitor(where: str | int) -> Visitor:
        return Visitor(str(where) if str(where).startswith("http") else sandbox.site(where))

    return visitor
