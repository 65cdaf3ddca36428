"""The stand-in of Stripe as a server: its API in the mode of the moment, its pages and its controls."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Final

from aiohttp import web

from deploy.sandbox import addresses
from deploy.sandbox.listener import reset_connection
from deploy.sandbox.modes import Mode, Parameters
from deploy.sandbox.providers.provider import Provider
from deploy.sandbox.stripe.account import Account
from deploy.sandbox.stripe.api import Api, ApiAnswer, ApiCall, break_error, lock_error, refuse
from deploy.sandbox.stripe.controls import add_control_routes
from deploy.sandbox.stripe.objects import StripeError
from deploy.sandbox.stripe.pages import add_page_routes
from deploy.sandbox.stripe.resources.catalogue import fill_catalogue
from deploy.sandbox.stripe.webhooks import Endpoint, WebhookSender

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_TICK: Final = 1.0  # seconds between two looks at what is due
_PATH: Final[Parameters] = {"path": ""}  # "/v1/refunds", "POST /v1/refunds": only calls that begin so
STRIPE_MODES: Final[dict[str, Parameters]] = {
    "normal": _PATH,
    "error_500": {**_PATH, "saved": 0},
    "rate_limited": {**_PATH, "seconds": 0},
    "locked": _PATH,
    "unauthorized": _PATH,
    "forbidden": _PATH,
    "timeout": _PATH,
    "reset": _PATH,
    "slow": {**_PATH, "seconds": 2},
    "yes_without_answer": _PATH,
    "reset_after": _PATH,
    "half_answer": _PATH,
    "refuse": {},
}
_REFUSALS: Final = {
    "error_500": break_error(),
    "rate_limited": StripeError("Too many requests.", code="rate_limit", status=429),
    "locked": lock_error(),
    "unauthorized": StripeError("Invalid API Key provided: sk_test_****", status=401),
    "forbidden": StripeError("The provided key does not have the required permissions.", status=403),
}
_NOT_DONE: Final = (*_REFUSALS, "refuse", "reset", "timeout")


class Stripe(Provider):
    """Payments."""

    channel = "payment"
    provider_name = "stripe"
    host = addresses.STRIPE
    mode_table = STRIPE_MODES

    def __init__(self, endpoint: Endpoint | None = None) -> None:
        super().__init__()
        self._endpoint = endpoint or Endpoint()  # as a reset leaves it
        self._begin()

    def add_own_routes(self, app: web.Application) -> None:
        """Add ``/v1``, the pages, ``/_control``."""
        self.account.origin = self.url
        app.router.add_route("*", "/v1/{call:.+}", self._call)
        add_control_routes(app, self)
        add_page_routes(app, self)
        app.cleanup_ctx.append(self._tick)

    async def reset(self) -> None:
        """Forget everything; events go where they went at the start."""
        await super().reset()
        await self.webhooks.calls.stop()
        self._begin()

    def to_json(self) -> dict[str, object]:
        """Return its state as JSON shows it."""
        more = {"clock": self.account.clock.now(), "webhook": self.webhooks.endpoint.to_json()}
        return {**super().to_json(), **more}

    def _begin(self) -> None:
        self.account = Account(self.url)
        self.webhooks = WebhookSender(copy.deepcopy(self._endpoint), self.account.clock)
        self.api = Api(self.account)
        fill_catalogue(self.account)
        self.account.listener = self.webhooks.add_event

    async def _tick(self, _app: web.Application) -> AsyncIterator[None]:
        async def run_due_work() -> None:
            while True:
                await asyncio.sleep(_TICK)
                self.account.clock.run_due()

        task = asyncio.create_task(run_due_work(), name="stripe-clock")
        yield
        task.cancel()
        await asyncio.wait([task])
        await self.webhooks.calls.stop()

    def fail(self, mode: str, seconds: int) -> web.Response:
        """Answer as Stripe does; 429 has Retry-After where there are ``seconds``."""
        answer = _respond(refuse(_REFUSALS[mode]))
        if seconds:
            answer.headers["Retry-After"] = str(seconds)
        return answer

    async def _call(self, request: web.Request) -> web.StreamResponse:
        """Answer a call of the API in the mode of the moment."""
        sent = await request.text() if request.method == "POST" else request.rel_url.raw_query_string
        call = ApiCall(request.method, request.path, sent, request.headers)
        mode = self._met_by(call)
        broken = mode.name == "error_500" and bool(mode.number("saved"))
        if mode.name in _NOT_DONE and not broken:
            self.api.note(call)
            return await self.misbehave(request, mode) or web.Response()
        self.calls += 1
        return await self._answer(request, call, mode, broken=broken)

    async def _answer(
        self, request: web.Request, call: ApiCall, mode: Mode, *, broken: bool
    ) -> web.StreamResponse:
        try:
            with self.api.hold(call):
                made = self.api.answer(call, broken=broken)
                if mode.name == "slow":
                    await asyncio.sleep(mode.number("seconds"))
        except StripeError as error:
            made = refuse(error)
        if mode.name == "yes_without_answer":
            await asyncio.Event().wait()
        if mode.name == "reset_after":
            reset_connection(request)
        if mode.name == "half_answer":
            return await _break_off(request, made)
        return _respond(made)

    def _met_by(self, call: ApiCall) -> Mode:
        path = str(self.modes.site.parameters.get("path", ""))
        if call.path.startswith(path) or f"{call.method} {call.path}".startswith(path):
            return self.modes.met_by()
        return Mode()


def _respond(made: ApiAnswer) -> web.Response:
    return web.Response(status=made.status, body=made.body, headers=made.headers)


async def _break_off(request: web.Request, made: ApiAnswer) -> web.StreamResponse:
    answer = web.StreamResponse(status=made.status, headers=made.headers)
    answer.content_length = len(made.body)
    await answer.prepare(request)
    await answer.write(made.body[: len(made.body) // 2])
    reset_connection(request)
    return answer
