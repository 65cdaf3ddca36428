"""The inbox page: what was sent, to whom, how fast, live; and buttons for the sites and the providers."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from deploy.sandbox.modes import MODES, ModeBody, read_mode
from deploy.sandbox.providers.receipts import RECEIPT_MODES
from deploy.sandbox.request_body import Handler, Refusal, read_body, refusals
from deploy.sandbox.sites.site import act
from deploy.sandbox.templating import STATIC

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from deploy.sandbox.server import Sandbox
    from deploy.sandbox.sites.site import Site

_SHOWN: Final = 600  # messages in an answer
# Mails may bring styles of their own; nothing may be fetched from elsewhere.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; base-uri 'self'; form-action 'none'"
)


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
        app.router.add_static("/static", STATIC)
        for path, read in (
            ("/api/messages", self._list_messages),
            ("/api/messages/{number:\\d+}", self._find_message),
            ("/api/state", self._state),
            ("/api/sites/{code}", self._show_site),
            ("/api/sites/{code}/requests", self._list_requests),
        ):
            app.router.add_get(path, partial(_answer, read))
        for path, control in (
            ("/api/reset", self._reset),
            ("/api/world", self._begin_world),
            ("/api/sites/{code}/{action}", self._act_at_site),
            ("/api/providers/{name}/mode", self._set_mode),
            ("/api/providers/{name}/receipts", self._set_receipts),
            ("/api/telegram/press", self._sandbox.telegram.control_press),
            ("/api/telegram/say", self._sandbox.telegram.control_say),
            ("/api/calls/answers", self._sandbox.twilio_calls.set_answers),
            ("/api/calls/{sid}", self._sandbox.twilio_calls.press),
        ):
            app.router.add_post(path, partial(_answer, control))
        return app

    async def _page(self, _request: web.Request) -> web.FileResponse:
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
        return web.FileResponse(STATIC / "inbox.html", headers=headers)

    async def _list_messages(self, request: web.Request) -> object:
        """Return the newest messages; with `after` what was accepted or changed since that change, oldest first.

        Mails come without their HTML, which may be large.
        """
        kept, after = self._sandbox.outbox.messages(), request.query.get("after", "")
        if after.isdecimal():
            kept = sorted((each for each in kept if each.change > int(after)), key=lambda each: each.change)
        shown = [each.to_json() for each in (kept[:_SHOWN] if after else kept[-_SHOWN:])]
        return [each | ({"html": None} if each["channel"] == "email" else {}) for each in shown]

    async def _find_message(self, request: web.Request) -> object:
        message = self._sandbox.outbox.find(int(request.match_info["number"]))
        if message is None:
            raise Refusal("this message is no longer kept", status=404)
        return message.to_json()

    async def _state(self, _request: web.Request) -> object:
        """Return the state of the sites and providers, as the page shows it."""
        sandbox = self._sandbox
        sites = [{**site.to_json(), "url": sandbox.site_url(code)} for code, site in sandbox.sites.items()]
        providers = [
            {
                **each.to_json(),
                "name": type(each).__name__,
                "url": sandbox.provider_url(name),
                "modes": list(each.mode_table),
            }
            for name, each in sandbox.providers.items()
        ]
        return {"run": self._run, "sites": sites, "providers": providers, "modes": list(MODES)}

    async def _reset(self, request: web.Request) -> object:
        await self._sandbox.reset()
        return await self._state(request)

    async def _begin_world(self, request: web.Request) -> object:
        self._sandbox.begin_world()
        return await self._state(request)

    def _find_site(self, request: web.Request) -> Site:
        return self._sandbox.known_site(request.match_info["code"])

    async def _show_site(self, request: web.Request) -> object:
        return self._find_site(request).to_json()

    async def _list_requests(self, request: web.Request) -> object:
        """Return what a site was asked, oldest first."""
        return [asdict(seen) for seen in self._find_site(request).requests]

    async def _act_at_site(self, request: web.Request) -> object:
        return await act(self._find_site(request), request)

    async def _set_mode(self, request: web.Request) -> object:
        """Set the mode of one provider, or of all of a channel."""
        found, body = (
            self._sandbox.find_providers(request.match_info["name"]),
            await read_body(request, ModeBody),
        )
        for provider, mode in [(each, read_mode(body, each.mode_table)) for each in found]:
            await provider.set_mode(mode)
        return found[0].to_json()

    async def _set_receipts(self, request: web.Request) -> object:
        """Set what a provider's receipts say, and how they travel."""
        name, known = request.match_info["name"], self._sandbox.receipt_senders
        if name not in known:
            raise Refusal(f"no receipts of {name!r}", known=known, status=404)
        known[name].mode = read_mode(await read_body(request, ModeBody), RECEIPT_MODES)
        return known[name].mode.to_json()


async def _answer(tell: Callable[[web.Request], Awaitable[Any]], request: web.Request) -> web.Response:
    return web.json_response(await tell(request))


@web.middleware
async def _json_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    # A page of another origin can post text without being asked, JSON it cannot.
    if request.method == "POST" and request.content_type != "application/json":
        raise Refusal("send application/json", status=415)
    return await handler(request)
