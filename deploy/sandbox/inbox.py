"""The inbox page: what was sent, to whom, how fast, live; and buttons for the sites and the providers."""

from __future__ import annotations

import re
import secrets
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web

from deploy.sandbox.modes import MODES, ModeBody, read_mode
from deploy.sandbox.providers.receipts import RECEIPT_MODES
from deploy.sandbox.request_body import Handler, Refusal, read_body, refusals
from deploy.sandbox.sites.app import act
from deploy.sandbox.templating import STATIC, static

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from deploy.sandbox.outbox import Message
    from deploy.sandbox.server import Sandbox

_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_FILE: Final = re.compile(r"\w+\.(css|js|svg)")
_SHOWN: Final = 600  # messages in an answer
# Mails may bring styles of their own; nothing may be fetched from elsewhere.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; base-uri 'self'; form-action 'none'"
)


def summary(message: Message) -> dict[str, object]:
    """Return a message as the list shows it: without its HTML, which may be large."""
    shown = message.to_json()
    return {**shown, "html": None} if message.channel == "email" else shown


class Inbox:
    """The page and what it asks for; everything stays in this process."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        # A page that outlives its sandbox must know: messages are numbered from 1 again.
        self._run = secrets.token_hex(8)

    def make_app(self) -> web.Application:
        """Build the application."""
        app = web.Application(middlewares=[refusals, _json_only])
        app.router.add_get("/", self._page)
        app.router.add_get("/static/{name}", self._static)
        app.router.add_get("/api/messages", self._messages)
        app.router.add_get("/api/messages/{number:\\d+}", self._message)
        app.router.add_get("/api/state", self._state)
        app.router.add_post("/api/reset", self._reset)
        app.router.add_post("/api/world", self._begin_world)
        app.router.add_post("/api/sites/{code}/{action}", self._site)
        app.router.add_post("/api/providers/{name}/mode", self._provider)
        app.router.add_post("/api/providers/{name}/receipts", self._receipts)
        for path, control in (
            ("/api/telegram/press", self._sandbox.telegram.control_press),
            ("/api/telegram/say", self._sandbox.telegram.control_say),
            ("/api/calls/answers", self._sandbox.twilio_calls.set_answers),
            ("/api/calls/{sid}", self._sandbox.twilio_calls.press),
        ):
            app.router.add_post(path, partial(_answer, control))
        return app

    def state(self) -> dict[str, object]:
        """Return the state of the sites and providers, as the page shows it."""
        sites = [
            {**site.to_json(), "url": self._sandbox.site_url(code)}
            for code, site in self._sandbox.sites.items()
        ]
        providers = [
            {
                **provider.to_json(),
                "name": type(provider).__name__,
                "url": self._sandbox.provider_url(name),
                "modes": list(provider.mode_table),
            }
            for name, provider in self._sandbox.providers.items()
        ]
        return {
            "run": self._run,
            "sites": sites,
            "providers": providers,
            "modes": list(MODES),
        }

    async def _page(self, _request: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
        return web.Response(text=static("inbox.html"), content_type="text/html", headers=headers)

    async def _static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        found = _FILE.fullmatch(name)
        if found is None or not (STATIC / name).is_file():
            raise web.HTTPNotFound(text=f"no file {name}")
        headers = {"Cache-Control": "no-store"}
        return web.Response(text=static(name), content_type=_TYPES[found[1]], headers=headers)

    async def _messages(self, request: web.Request) -> web.Response:
        """Answer the newest messages; with `after` what was accepted or changed since that change, oldest first."""
        kept, after = self._sandbox.outbox.messages(), request.query.get("after", "")
        if after.isdecimal():
            kept = sorted((each for each in kept if each.change > int(after)), key=lambda each: each.change)
        shown = kept[:_SHOWN] if after else kept[-_SHOWN:]
        return web.json_response([summary(message) for message in shown])

    async def _message(self, request: web.Request) -> web.Response:
        message = self._sandbox.outbox.find(int(request.match_info["number"]))
        if message is None:
            raise Refusal("this message is no longer kept", status=404)
        return web.json_response(message.to_json())

    async def _state(self, _request: web.Request) -> web.Response:
        return web.json_response(self.state())

    async def _reset(self, _request: web.Request) -> web.Response:
        await self._sandbox.reset()
        return web.json_response(self.state())

    async def _begin_world(self, _request: web.Request) -> web.Response:
        self._sandbox.begin_world()
        return web.json_response(self.state())

    async def _site(self, request: web.Request) -> web.Response:
        site = self._sandbox.known_site(request.match_info["code"])
        return await act(site, request)

    async def _provider(self, request: web.Request) -> web.Response:
        """Set the mode of one provider, or of all of a channel."""
        found, body = (
            self._sandbox.find_providers(request.match_info["name"]),
            await read_body(request, ModeBody),
        )
        for provider, mode in [(each, read_mode(body, each.mode_table)) for each in found]:
            await provider.set_mode(mode)
        return web.json_response(found[0].to_json())

    async def _receipts(self, request: web.Request) -> web.Response:
        """Set what a provider's receipts say, and how they travel."""
        name, known = request.match_info["name"], self._sandbox.receipt_senders
        if name not in known:
            raise Refusal(f"no receipts of {name!r}", known=known, status=404)
        known[name].mode = read_mode(await read_body(request, ModeBody), RECEIPT_MODES)
        return web.json_response(known[name].mode.to_json())


async def _answer(
    control: Callable[[web.Request], Awaitable[dict[str, object]]], request: web.Request
) -> web.Response:
    return web.json_response(await control(request))


@web.middleware
async def _json_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    # A page of another origin can post text without being asked, JSON it cannot.
    if request.method == "POST" and request.content_type != "application/json":
        raise Refusal("send application/json", status=415)
    return await handler(request)
