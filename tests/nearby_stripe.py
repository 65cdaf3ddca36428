"""Stripe's stand-in without sockets, while it answers as usual: most of a payment's test was HTTP to our own process.

Stripe's library, its transport and the stand-in are the real ones; in a mode of trouble each call takes the socket.
"""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.structures import CaseInsensitiveDict

from deploy.sandbox.stripe.api import ApiAnswer, ApiCall
from deploy.sandbox.stripe.controls import CONTROLS, run_control
from tests.running_sandbox import Running
from tests.sandbox_controls import StripeControl


class NearbyStripe(StripeControl):
    """The controls of a stand-in of this process."""

    def __init__(self, sandbox: Running) -> None:
        super().__init__(sandbox.stripe)
        self._running = sandbox

    def _call(self, name: str, *args: object, **fields: object) -> Any:
        if name not in CONTROLS:
            return super()._call(name, *args, **fields)
        done = self._running.do(lambda sandbox: run_control(sandbox.stripe, CONTROLS[name], *args, **fields))
        return json.loads(json.dumps(done))


def leave_out_sockets(sandbox: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `requests`, which carries the library's calls, ask a stand-in in its usual mode directly."""
    stand_in, send = sandbox._sandbox.stripe, requests.adapters.HTTPAdapter.send

    def answer(asked: requests.PreparedRequest) -> ApiAnswer | None:
        if stand_in.modes.site.name != "normal":
            return None
        stand_in.calls += 1
        found = urlsplit(asked.url or "")
        body = asked.body.decode() if isinstance(asked.body, bytes) else str(asked.body or "")
        given = body if asked.method == "POST" else found.query
        headers: Any = asked.headers
        return stand_in.api.answer(ApiCall(str(asked.method), found.path, given, headers))

    def send_nearby(
        adapter: requests.adapters.HTTPAdapter, asked: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        is_ours = str(asked.url).startswith(f"{sandbox.stripe}/v1/")
        made = sandbox.do(lambda _: answer(asked)) if is_ours else None
        return _respond(asked, made) if made else send(adapter, asked, **options)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send_nearby)


def _respond(asked: requests.PreparedRequest, made: ApiAnswer) -> requests.Response:
    told = requests.Response()
    told.status_code, told._content, told.headers = made.status, made.body, CaseInsensitiveDict(made.headers)
    told.request, told.url, told.encoding = asked, str(asked.url), "utf-8"
    return told
