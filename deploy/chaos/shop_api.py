"""The API as people of a chaos run use it: signed in by password, one answer or an error for each request."""

import json
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

PASSWORD = "a shopper of the chaos run"  # noqa: S105 -- of accounts that live for minutes
_PATIENCE = 20.0  # seconds


class ShopApi:
    """Asks on behalf of accounts. Each method raises OSError where there is no answer, or a refusal."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._tokens: dict[str, str] = {}

    def sign_in(self, email: str) -> None:
        """Keep a token of an account."""
        body = {"email": email, "password": PASSWORD}
        self._tokens[email] = json.loads(self._send("/api/auth/login", body, {}))["token"]

    def ask(
        self, email: str, path: str, body: Mapping[str, Any] | None = None, method: str | None = None
    ) -> Any:
        """Return the JSON that an account gets, None where there is none; POST where there is a body."""
        if email not in self._tokens:
            self.sign_in(email)
        headers = {"Authorization": f"Bearer {self._tokens[email]}"}
        answer = self._send(path, body, headers, method)
        return json.loads(answer) if answer else None

    def send_form(self, path: str, fields: Mapping[str, str]) -> None:
        """Send the form of a page that needs no account."""
        self._open(urllib.request.Request(self._url + path, urllib.parse.urlencode(fields).encode()))  # noqa: S310 -- loopback

    def _send(
        self, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str], method: str | None = None
    ) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **headers}
        return self._open(urllib.request.Request(self._url + path, data, headers, method=method))  # noqa: S310 -- loopback

    def _open(self, request: urllib.request.Request) -> bytes:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310 -- loopback
            return bytes(answer.read())
