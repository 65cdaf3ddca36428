"""The control API of the stand-in: ``/_control``, in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from deploy.sandbox.control_error import Refusal
from deploy.sandbox.providers.provider import post_mode
from deploy.sandbox.request_body import read_body
from deploy.sandbox.stripe.controls import CONTROLS, Control
from deploy.sandbox.stripe.errors import StripeError
from deploy.sandbox.stripe.ledger import read_ledger
from deploy.sandbox.stripe.objects import show

if TYPE_CHECKING:
    from collections.abc import Callable

    from deploy.sandbox.request_body import Body, Handler
    from deploy.sandbox.stripe.objects import Json
    from deploy.sandbox.stripe.stand_in import Stripe


def add_control_routes(app: web.Application, stand_in: Stripe) -> None:
    """Add every control."""
    for path, control, keys in CONTROLS:
        app.router.add_post(f"/_control/{path}", _post(stand_in, control, frozenset(keys.split())))
    app.router.add_get("/_control", _get(lambda _: stand_in.to_json()))
    app.router.add_get("/_control/requests", _get(lambda request: _requests(stand_in, request)))
    app.router.add_get("/_control/ledger", _get(lambda _: {"payments": read_ledger(stand_in.account)}))
    app.router.add_get("/_control/deliveries", _get(lambda _: _deliveries(stand_in)))
    app.router.add_get("/_control/objects/{kind}", _get(lambda request: _objects(stand_in, request)))

    async def mode(request: web.Request) -> web.Response:
        return await post_mode(stand_in, request)

    async def reset(_request: web.Request) -> web.Response:
        await stand_in.reset()
        return web.json_response(stand_in.to_json())

    app.router.add_post("/_control/mode", mode)
    app.router.add_post("/_control/reset", reset)


def run_control(stand_in: Stripe, control: Control, body: Body, identifier: str) -> Json:
    """Carry out a control, and what becomes due by it.

    Raises:
        Refusal: the stand-in refuses it, as Stripe would.
    """
    clock = stand_in.account.clock
    clock.run_due()
    try:
        done = control(stand_in, body, identifier)
    except StripeError as error:
        raise Refusal(error.fields["message"], status=error.status) from error
    clock.run_due()
    return done


def _post(stand_in: Stripe, control: Control, keys: frozenset[str]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        body = await read_body(request, keys)
        identifier = request.match_info.get("id", "")
        return web.json_response(run_control(stand_in, control, body, identifier))

    return handle


def _get(read: Callable[[web.Request], Json]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.json_response(read(request))

    return handle


def _requests(stand_in: Stripe, request: web.Request) -> Json:
    begin = request.query.get("path", "")
    return {"requests": [each for each in stand_in.api.log if each["path"].startswith(begin)]}


def _deliveries(stand_in: Stripe) -> Json:
    kept = stand_in.webhooks.deliveries.values()
    return {"deliveries": [each.to_json() for each in kept]}


def _objects(stand_in: Stripe, request: web.Request) -> Json:
    return {"objects": show(stand_in.account.all(request.match_info["kind"]), whole=True)}
