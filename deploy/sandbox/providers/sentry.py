"""Sentry's stand-in: takes envelopes of error reports, as its library reads them, and keeps the newest."""

from __future__ import annotations

from collections import deque
from typing import Any, Final
from uuid import uuid4

from aiohttp import web

from deploy.sandbox import addresses
from deploy.sandbox.providers.provider import Provider

_KEPT: Final = 1000  # reports
_STATUS: Final = {"rate_limited": 429, "error_500": 500, "unauthorized": 403}


class Sentry(Provider):
    """One project of Sentry. Its DSN is ``http://sandbox@HOST:PORT/1``; any key is taken."""

    channel = "errors"
    provider_name = "sentry"
    host = addresses.SENTRY

    def __init__(self) -> None:
        super().__init__()
        self.reports: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    def add_own_routes(self, app: web.Application) -> None:
        """Add where envelopes go; bodies in gzip or Brotli are unpacked. A person reads what came."""

        async def list_reports(_request: web.Request) -> web.Response:
            return web.json_response(list(self.reports))

        app.router.add_post("/api/{project:\\d+}/envelope/", self._take)
        app.router.add_get("/_control/reports", list_reports)

    async def reset(self) -> None:
        """Forget the reports and answer normally again."""
        await super().reset()
        self.reports.clear()

    def to_json(self) -> dict[str, object]:
        """Return its state as JSON shows it."""
        return {**super().to_json(), "messages": len(self.reports)}

    def fail(self, mode: str, seconds: int) -> web.Response:
        """Answer with the status of a mode."""
        headers = {"Retry-After": str(seconds)} if mode == "rate_limited" else {}
        return web.json_response({"detail": mode}, status=_STATUS[mode], headers=headers)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        mode = self.modes.met_by()
        if failed := await self.misbehave(request, mode):
            return failed
        if "sentry_key=" not in request.headers.get("X-Sentry-Auth", ""):
            return web.json_response({"detail": "missing authorization information"}, status=403)
        from sentry_sdk.envelope import Envelope  # noqa: PLC0415 - most sandboxes get no report

        for item in Envelope.deserialize(await request.read()):
            if item.type == "event" and (event := item.payload.json):
                self.reports.append(event)
        return web.json_response({"id": uuid4().hex})
