"""Telegram's updates: kept until the bot fetches them, or its webhook takes them; the page to press Start.

https://core.telegram.org/bots/api#getting-updates
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, web

from deploy.sandbox.clock import now
from deploy.sandbox.providers.telegram_people import Chat, Update, build_written
from deploy.sandbox.templating import render

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_BOT: Final = r"/{bot:[A-Za-z]\w{4,31}}"
_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"
_AGAIN: Final = 1.0  # seconds between two tries to call the webhook
_CALL: Final = ClientTimeout(total=10)
_MOST: Final = 100  # updates in one answer
_CHATS: Final = ("private", "group")
log = logging.getLogger("sandbox")


@dataclass
class Webhook:
    """Where updates are sent, and what became of the last one; an empty ``url``: nowhere."""

    url: str = ""
    secret: str = ""
    last_error: str = ""


def _read_allowed(asked: dict[str, Any], before: frozenset[str] | None) -> frozenset[str] | None:
    """Return the kinds of updates that a call asks for; where it names none, those of before."""
    named = asked.get("allowed_updates")
    if named is None:
        return before
    kinds = json.loads(named) if isinstance(named, str) else named
    return frozenset(map(str, kinds)) or None


@dataclass
class UpdateDesk:
    """The bot's updates: made by people, kept until the bot has them.

    ``perform`` carries out the call of the Bot API that a webhook's answer may be.
    """

    perform: Callable[[dict[str, Any]], Awaitable[None]]
    webhook: Webhook = field(default_factory=Webhook)
    _allowed: frozenset[str] | None = None  # kinds of updates; None: all
    _waiting: list[dict[str, Any]] = field(default_factory=list)
    # From this second on: a bot takes a number that it knows from before a restart for a repetition.
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(int(now().timestamp())))
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    _sender: asyncio.Task[None] | None = None

    def add_routes(self, app: web.Application) -> None:
        """Add the methods of the Bot API, and the page of a bot."""
        app.router.add_post("/bot{token}/getUpdates", self._get_updates)
        app.router.add_post("/bot{token}/setWebhook", self._set_webhook)
        app.router.add_post("/bot{token}/deleteWebhook", self._delete_webhook)
        app.router.add_post("/bot{token}/getWebhookInfo", self._show_webhook)
        app.router.add_get(_BOT, self._show_page)
        app.router.add_post(_BOT, self._press)
        app.on_cleanup.append(self._stop)

    def press_start(self, code: str, chat: int, name: str, kind: str = "private") -> Update:
        """Let a person press Start behind a link with a code; return the update that the bot gets."""
        return self.add(build_written(Chat(chat, name, kind), f"/start {code}"))

    def add(self, happened: Update) -> Update:
        """Number what happened and keep it for the bot, unless it asked for other kinds of updates only."""
        update = {"update_id": next(self._numbers), **happened}
        if self._allowed is None or self._allowed & happened.keys():
            self._waiting.append(update)
            self._came.set()
            self._send_soon()
        return update

    async def reset(self) -> None:
        """Forget everything."""
        await self._stop()
        self.webhook, self._allowed = Webhook(), None
        self._waiting.clear()

    async def _stop(self, _app: web.Application | None = None) -> None:
        if self._sender:
            self._sender.cancel()
            await asyncio.wait([self._sender])
            self._sender = None

    def _send_soon(self) -> None:
        if self._waiting and self.webhook.url and (self._sender is None or self._sender.done()):
            self._sender = asyncio.create_task(self._send_all(), name="telegram-webhook")
            self._sender.add_done_callback(self._send_what_came)

    def _send_what_came(self, ended: asyncio.Task[None]) -> None:
        """Send what came while the sender was ending, after its last look."""
        if not ended.cancelled() and ended.exception() is None:
            self._send_soon()

    async def _send_all(self) -> None:
        """Send what waits to the webhook, in order; an update that is not taken is sent again and again."""
        async with ClientSession(timeout=_CALL) as client:
            while self._waiting and self.webhook.url:
                update, hook = self._waiting[0], self.webhook
                headers = {_HEADER: hook.secret} if hook.secret else {}
                call = None
                try:
                    async with client.post(hook.url, json=update, headers=headers) as answer:
                        hook.last_error = "" if answer.ok else f"Wrong response: {answer.status}"
                        call = await _read_call(answer)
                except (ClientError, TimeoutError) as error:
                    hook.last_error = f"Connection failed: {type(error).__name__}"
                if not hook.last_error:
                    self._waiting.remove(update)
                    if call:
                        await self.perform(call)
                else:
                    log.warning("the webhook of Telegram: %s", hook.last_error)
                    await asyncio.sleep(_AGAIN)

    async def _get_updates(self, request: web.Request) -> web.Response:
        if self.webhook.url:
            description = "Conflict: can't use getUpdates method while webhook is active"
            return web.json_response({"ok": False, "error_code": 409, "description": description}, status=409)
        asked = await read_fields(request)
        self._allowed = _read_allowed(asked, self._allowed)
        offset = int(asked.get("offset") or 0)
        self._waiting = [update for update in self._waiting if update["update_id"] >= offset]
        if not self._waiting:
            self._came.clear()
            try:
                async with asyncio.timeout(float(asked.get("timeout") or 0)):
                    await self._came.wait()
            except TimeoutError:
                pass  # as Telegram: an empty list when nothing came in time
        return _success(self._waiting[:_MOST])

    async def _set_webhook(self, request: web.Request) -> web.Response:
        asked = await read_fields(request)
        self._allowed = _read_allowed(asked, self._allowed)
        self.webhook = Webhook(str(asked.get("url") or ""), str(asked.get("secret_token") or ""))
        self._send_soon()
        return _success(True)  # noqa: FBT003 -- Telegram's result

    async def _delete_webhook(self, _request: web.Request) -> web.Response:
        self.webhook = Webhook()
        return _success(True)  # noqa: FBT003 -- Telegram's result

    async def _show_webhook(self, _request: web.Request) -> web.Response:
        shown: dict[str, object] = {"url": self.webhook.url, "has_custom_certificate": False}
        shown["pending_update_count"] = len(self._waiting)
        return _success(
            shown | ({"last_error_message": self.webhook.last_error} if self.webhook.last_error else {})
        )

    async def _show_page(self, request: web.Request) -> web.Response:
        values = {"bot": request.match_info["bot"], "code": request.query.get("start", ""), "pressed": False}
        return web.Response(text=render("telegram/start.html", **values), content_type="text/html")

    async def _press(self, request: web.Request) -> web.Response:
        sent = await request.post()
        code, name, kind = (str(sent.get(each, "")) for each in ("code", "name", "kind"))
        chat = str(sent.get("chat", ""))
        if not chat.isdecimal() or kind not in _CHATS or not name.strip():
            raise web.HTTPUnprocessableEntity(
                text="name, chat (a number) and kind (private, group) are needed"
            )
        self.press_start(code, int(chat) if kind == "private" else -int(chat), name.strip(), kind)
        values = {"bot": request.match_info["bot"], "code": code, "pressed": True}
        return web.Response(text=render("telegram/start.html", **values), content_type="text/html")


async def _read_call(answer: ClientResponse) -> dict[str, Any] | None:
    """Return the call of the Bot API that a webhook answers with, if it does.

    https://core.telegram.org/bots/api#making-requests-when-getting-updates
    """
    try:
        said = json.loads(await answer.read())
    except ValueError:
        return None
    return said if answer.ok and isinstance(said, dict) and said.get("method") else None


async def read_fields(request: web.Request) -> dict[str, Any]:
    """Return the parameters of a call: of its address, a form, or a JSON object."""
    if request.content_type != "application/json":
        return {**request.query, **await request.post()}
    sent = await request.json()
    return {**request.query, **(sent if isinstance(sent, dict) else {})}


def _success(result: object) -> web.Response:
    return web.json_response({"ok": True, "result": result})
