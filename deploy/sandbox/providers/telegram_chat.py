"""Telegram's people: what they write and press, and the updates that tell the bot.

https://core.telegram.org/bots/api#update and https://core.telegram.org/bots/api#getting-updates
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from deploy.sandbox.clock import now
from deploy.sandbox.providers.provider import RequestRefused
from deploy.sandbox.providers.receipts import OutgoingCalls
from deploy.sandbox.templating import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from deploy.sandbox.outbox import Message

Update = dict[str, Any]
_BOT: Final = r"/{bot:[A-Za-z]\w{4,31}}"
_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"
_AGAIN: Final = 1.0  # seconds between two tries to call the webhook
_message_ids: Final = itertools.count(1_000_000)  # of what people write; those of the bot are smaller


@dataclass(frozen=True)
class Chat:
    """A chat, and the person who writes or presses there; groups have ids below zero."""

    id: int
    name: str = "Camille Martin"

    def _split_name(self) -> dict[str, object]:
        first, _, last = self.name.partition(" ")
        return {"first_name": first, "last_name": last}

    def build_person(self) -> dict[str, object]:
        """Return the person."""
        return {"id": abs(self.id), "is_bot": False, **self._split_name(), "language_code": "fr"}

    def build_place(self) -> dict[str, object]:
        """Return the chat."""
        named = (
            {"title": self.name, "type": "group"} if self.id < 0 else self._split_name() | {"type": "private"}
        )
        return {"id": self.id, **named}


def build_written(chat: Chat, text: str) -> Update:
    """Return the update about a message that a person writes, without its number."""
    told = {"from": chat.build_person(), "chat": chat.build_place(), "date": int(now().timestamp())}
    return {"message": {"message_id": next(_message_ids), **told, "text": text}}


def build_pressed(chat: Chat, message: Message, data: str) -> Update:
    """Return the update about a button that a person presses, without its number."""
    sent = {"message_id": int(message.provider_id), "date": int(message.received_at.timestamp())}
    shown = {**sent, "chat": chat.build_place(), "text": message.text}
    ids = {name: str(secrets.randbits(63)) for name in ("id", "chat_instance")}
    return {"callback_query": {**ids, "from": chat.build_person(), "message": shown, "data": data}}


class UpdateDesk:
    """The bot's updates: made by people, kept until its webhook takes them.

    ``perform`` carries out the call of the Bot API that a webhook's answer may be.
    https://core.telegram.org/bots/api#making-requests-when-getting-updates
    """

    def __init__(self, perform: Callable[[dict[str, Any]], None]) -> None:
        self._perform = perform
        self._calls = OutgoingCalls("the webhook of Telegram")
        # From this second on: a bot takes a number that it knows from before a restart for a repetition.
        self._numbers = itertools.count(int(now().timestamp()))
        self._forget()

    def _forget(self) -> None:
        self._hook = self._secret = self._error = ""  # the webhook, and what became of the last call of it
        self._allowed: frozenset[str] | None = None  # kinds of updates; None: all
        self._waiting: list[Update] = []
        self._is_sending = False

    def add_routes(self, app: web.Application) -> None:
        """Add the methods of the Bot API, and the page of a bot."""
        app.router.add_post("/bot{token}/setWebhook", self._set_webhook)
        app.router.add_post("/bot{token}/getWebhookInfo", self._show_webhook)
        app.router.add_get(_BOT, self._show_page)
        app.router.add_post(_BOT, self._press)
        app.on_cleanup.append(lambda _: self.reset())

    def add(self, happened: Update) -> Update:
        """Number what happened and keep it for the bot, unless it asked for other kinds of updates only."""
        update = {"update_id": next(self._numbers), **happened}
        if self._allowed is None or self._allowed & happened.keys():
            self._waiting.append(update)
            self._send_soon()
        return update

    async def reset(self) -> None:
        """Forget everything."""
        await self._calls.stop()
        self._forget()

    def _send_soon(self) -> None:
        if self._waiting and self._hook and not self._is_sending:
            self._is_sending = True
            self._calls.run(self._send_all())

    async def _send_all(self) -> None:
        """Send what waits to the webhook, in order; an update that is not taken is sent again and again."""
        while self._waiting and self._hook:
            update, body = self._waiting[0], json.dumps(self._waiting[0]).encode()
            headers = {"Content-Type": "application/json"} | ({_HEADER: self._secret} if self._secret else {})
            outcome, taken = await self._calls.post(self._hook, body, headers)
            if taken is None:
                self._error = f"{'Wrong response' if outcome.isdecimal() else 'Connection failed'}: {outcome}"
                await asyncio.sleep(_AGAIN)
                continue
            self._error = ""
            self._waiting.remove(update)
            with suppress(ValueError):  # most answers are no JSON
                said = json.loads(taken)
                if isinstance(said, dict) and said.get("method"):
                    self._perform(said)
        self._is_sending = False

    async def _read_kinds(self, request: web.Request) -> dict[str, Any]:
        """Read a call that may name the kinds of updates; where it names none, those of before stay."""
        asked = await read_fields(request)
        if (kinds := asked.get("allowed_updates")) is not None:
            self._allowed = frozenset(map(str, kinds)) or None
        return asked

    async def _set_webhook(self, request: web.Request) -> web.Response:
        """Set where updates go; without an address they go nowhere."""
        asked = await self._read_kinds(request)
        self._hook, self._secret = str(asked.get("url") or ""), str(asked.get("secret_token") or "")
        self._error = ""
        self._send_soon()
        return make_result()

    async def _show_webhook(self, _request: web.Request) -> web.Response:
        shown = {"url": self._hook, "pending_update_count": len(self._waiting)}
        return make_result(shown | ({"last_error_message": self._error} if self._error else {}))

    async def _show_page(self, request: web.Request, *, is_pressed: bool = False) -> web.Response:
        values = {"bot": request.match_info["bot"], "code": request.query.get("start", "")}
        page = render("telegram/start", **values, pressed=is_pressed)
        return web.Response(text=page, content_type="text/html")

    async def _press(self, request: web.Request) -> web.Response:
        """Let a person press Start behind a link with a code."""
        sent = await request.post()
        code, name, kind, chat = (str(sent.get(each, "")) for each in ("code", "name", "kind", "chat"))
        if not chat.isdecimal() or kind not in ("private", "group") or not name.strip():
            raise web.HTTPUnprocessableEntity(
                text="name, chat (a number) and kind (private, group) are needed"
            )
        number = int(chat) if kind == "private" else -int(chat)
        self.add(build_written(Chat(number, name.strip()), f"/start {code}"))
        return await self._show_page(request, is_pressed=True)


async def read_fields(request: web.Request) -> dict[str, Any]:
    """Return the parameters of a call.

    Raises:
        RequestRefused: the body is no JSON object.
    """
    try:
        sent = json.loads(await request.read())
    except (ValueError, RecursionError):
        sent = None
    if not isinstance(sent, dict):
        raise refuse("can't parse JSON object")
    return sent


def make_result(result: object = True) -> web.Response:
    """Answer a call that was carried out."""
    return web.json_response({"ok": True, "result": result})


def make_error(status: int, description: str, **parameters: int) -> web.Response:
    """Answer a call that is refused."""
    body: dict[str, object] = {"ok": False, "error_code": status, "description": description}
    return web.json_response(body | ({"parameters": parameters} if parameters else {}), status=status)


def refuse(what: str) -> RequestRefused:
    """Return the refusal of a call that is wrong."""
    return RequestRefused(make_error(400, f"Bad Request: {what}"))
