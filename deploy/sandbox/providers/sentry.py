"""Sentry's stand-in: takes envelopes of error reports and keeps the newest, as sent.

https://develop.sentry.dev/sdk/data-model/envelopes/
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from aiohttp import web

from deploy.sandbox.listener import reset_connection
from deploy.sandbox.providers.provider import PROVIDER_MODES, WebProvider
from deploy.sandbox.request_body import read_body, refusals

if TYPE_CHECKING:
    from deploy.sandbox.modes import Mode, Parameters

_KEPT: Final = 1000  # reports
_LARGEST: Final = 20 * 1024**2  # bytes, as Sentry takes
_MODES: Final[dict[str, Parameters]] = {
    name: PROVIDER_MODES[name]
    for name in ("normal", "rate_limited", "error_500", "timeout", "slow", "unauthorized", "refuse", "reset")
} | {"redirect": {}}  # leads to an address that is not this machine's
_STATUS: Final = {"rate_limited": 429, "error_500": 500, "unauthorized": 403, "redirect": 307}


class BrokenEnvelope(ValueError):
    """A body is no envelope; the text says why."""


class Sentry(WebProvider):
    """One project of Sentry. Its DSN is ``http://sandbox@HOST:PORT/1``; any key is taken."""

    channel = "errors"
    provider_name = "sentry"
    mode_table = _MODES

    def __init__(self) -> None:
        super().__init__()
        self.reports: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    def make_app(self) -> web.Application:
        """Build the application: where envelopes go, and ``/_control``. Bodies in gzip or Brotli are unpacked."""
        app = web.Application(middlewares=[refusals], client_max_size=_LARGEST)
        app.router.add_post("/api/{project:\\d+}/envelope/", self._take)
        app.router.add_get("/_control", self._state)
        app.router.add_get("/_control/reports", self._list)
        app.router.add_post("/_control/mode", self._mode)
        app.router.add_post("/_control/reset", self._reset)
        return app

    async def reset(self) -> None:
        """Forget the reports and answer normally again."""
        await super().reset()
        self.reports.clear()

    def to_json(self) -> dict[str, object]:
        """Return its state as JSON shows it."""
        return {**super().to_json(), "messages": len(self.reports)}

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        mode = self.modes.met_by()
        if mode.name in {"refuse", "reset"}:
            reset_connection(request)
            return web.Response()
        if mode.name == "timeout":
            await asyncio.Event().wait()
        if mode.name == "slow":
            await asyncio.sleep(mode.number("seconds"))
        if mode.name in _STATUS:
            return _refuse(mode)
        if "sentry_key=" not in request.headers.get("X-Sentry-Auth", ""):
            return web.json_response({"detail": "missing authorization information"}, status=403)
        try:
            self.reports.extend(read_envelope(await request.read()))
        except BrokenEnvelope as error:
            return web.json_response({"detail": str(error)}, status=400)
        return web.json_response({"id": uuid4().hex})

    async def _state(self, _request: web.Request) -> web.Response:
        return web.json_response(self.to_json())

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response(list(self.reports))

    async def _mode(self, request: web.Request) -> web.Response:
        return await self.post_mode(await read_body(request))

    async def _reset(self, _request: web.Request) -> web.Response:
        await self.reset()
        return web.json_response(self.to_json())


def _refuse(mode: Mode) -> web.Response:
    headers = {}
    if mode.name == "rate_limited":
        headers["Retry-After"] = f"{mode.number('seconds'):.0f}"
    if mode.name == "redirect":
        headers["Location"] = "http://192.0.2.1/api/1/envelope/"
    return web.json_response({"detail": mode.name}, status=_STATUS[mode.name], headers=headers)


def read_envelope(body: bytes) -> list[dict[str, Any]]:
    """Return the events of an envelope; items of other types are left out.

    Raises:
        BrokenEnvelope: it is none.
    """
    try:
        header, _, rest = body.partition(b"\n")
        json.loads(header)
        events = []
        while rest.strip():
            head, _, rest = rest.partition(b"\n")
            item = json.loads(head)
            length = item.get("length", len(rest.partition(b"\n")[0]))
            payload, rest = rest[:length], rest[length:].removeprefix(b"\n")
            if item.get("type") == "event":
                events.append(json.loads(payload))
    except (AttributeError, ValueError) as error:
        raise BrokenEnvelope(f"the body is no envelope: {error}") from error
    return events
