"""Reads the JSON bodies of control calls by models; what is impossible is refused by an error that names it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

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


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a Refusal with its status and JSON body."""
    try:
        return await handler(request)
    except Refusal as refusal:
        known = {"known": refusal.known} if refusal.known else {}
        return web.json_response({"error": refusal.error, **known}, status=refusal.status)


class Body(BaseModel):
    """The body of a control call: no key but those of the model."""

    model_config = ConfigDict(extra="forbid")


Model = TypeVar("Model", bound=Body)


async def read_object(request: web.Request) -> dict[str, Any]:
    """Return the JSON object sent; an empty body is an empty object.

    Raises:
        Refusal: 400 when it is not a JSON object.
    """
    raw = await request.read()
    try:
        body = json.loads(raw or b"{}")
    except (ValueError, RecursionError) as error:
        raise Refusal(f"the body is not JSON: {error}", status=400) from error
    if not isinstance(body, dict):
        raise Refusal(f"the body must be a JSON object, not {type(body).__name__}", status=400)
    return body


async def read_body(request: web.Request, model: type[Model]) -> Model:
    """Return the JSON object sent as a model; a Refusal names the key that is unknown, missing or wrong."""
    return read_told(await read_object(request), model)


def read_told(told: dict[str, Any], model: type[Model]) -> Model:
    """Return the fields of a control call as a model; a Refusal as `read_body`."""
    try:
        return model.model_validate(told)
    except ValidationError as errors:
        found = errors.errors()[0]
        key = ".".join(map(str, found["loc"]))
        raise Refusal(f"{key}: {found['msg']}", known=model.model_fields) from errors
