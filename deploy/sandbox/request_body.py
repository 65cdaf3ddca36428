"""Reads the JSON bodies of control calls, field by field; what is impossible is refused by an error that names it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any

from aiohttp import web

Body = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refusal(Exception):
    """A request that is answered with ``status`` and ``{"error": …, "known": […]}``.

    Args:
        error: what is wrong and what to do, one sentence.
        known: the values that would have been accepted, where they can be listed; numbers as numbers, to be sent so.
        status: 400 for what is no JSON object, 404 for what does not exist, 422 for a wrong value.
    """

    def __init__(self, error: str, *, known: Iterable[object] = (), status: int = 422) -> None:
        super().__init__(error)
        self.error = error
        self.known = [value if isinstance(value, int) else str(value) for value in known]
        self.status = status

    def body(self) -> dict[str, object]:
        """Return the JSON body."""
        return {"error": self.error, "known": self.known} if self.known else {"error": self.error}


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a Refusal with its status and JSON body."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return web.json_response(refusal.body(), status=refusal.status)


async def read_body(request: web.Request, allowed: frozenset[str] | None = None) -> Body:
    """Return the JSON object sent; an empty body is an empty object.

    Raises:
        Refusal: 400 when it is not a JSON object, 422 when it has a key that is not ``allowed``.
    """
    raw = await request.read()
    try:
        body = json.loads(raw or b"{}")
    except (ValueError, RecursionError) as error:
        raise Refusal(f"the body is not JSON: {error}", status=400) from error
    if not isinstance(body, dict):
        raise Refusal(f"the body must be a JSON object, not {type(body).__name__}", status=400)
    unknown = sorted(set(body) - allowed) if allowed is not None else []
    if unknown:
        raise Refusal(f"unknown key {unknown[0]!r}", known=sorted(allowed or ()))
    return body


def whole_number(body: Body, key: str, *, least: int = 0) -> int | None:
    """Return a whole number of at least ``least``, or None when the key is absent."""
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise Refusal(f"{key} must be a whole number from {least}, not {value!r}")
    return value


def text(body: Body, key: str) -> str | None:
    """Return a text, or None when the key is absent."""
    value = body.get(key)
    if value is not None and not isinstance(value, str):
        raise Refusal(f"{key} must be a text, not {value!r}")
    return value


def moments(body: Body, key: str) -> list[int] | None:
    """Return a list of ISO 8601 instants with offset as unix seconds, or None when the key is absent."""
    values = body.get(key)
    if values is None:
        return None
    if isinstance(values, str):
        values = [values]
    if not isinstance(values, list):
        raise Refusal(f"{key} must be a list of ISO 8601 instants, not {values!r}")
    return [_moment(key, value) for value in values]


def _moment(key: str, value: object) -> int:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Refusal(f"{key} takes instants as 2026-12-01T09:30:00+01:00 (with offset), not {value!r}")
    return int(moment.timestamp())
