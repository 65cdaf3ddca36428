"""Telegram's Bot API: what it takes and answers, after its public reference. Updates are in `telegram_updates`.

https://core.telegram.org/bots/api#sendmessage, https://core.telegram.org/bots/api#editmessagetext,
https://core.telegram.org/bots/api#setmycommands and https://core.telegram.org/bots/api#html-style
"""

from __future__ import annotations

import itertools
import json
import logging
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from deploy.sandbox.clock import now
from deploy.sandbox.outbox import OutboxDraft
from deploy.sandbox.providers.provider import Accepted, Provider, RequestRefused, seen_at, told_ids
from deploy.sandbox.providers.telegram_buttons import ButtonsRefused, read_buttons
from deploy.sandbox.providers.telegram_control import add_control
from deploy.sandbox.providers.telegram_people import Chat, Update, build_pressed, build_written
from deploy.sandbox.providers.telegram_presses import PressDesk, PressRefused
from deploy.sandbox.providers.telegram_updates import UpdateDesk, read_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.sandbox.outbox import Button, Message, Outbox

_CHAT: Final = re.compile(r"-?\d{1,19}|@\w{4,}")
_LONGEST: Final = 4096
_LARGEST: Final = 9000  # bytes with the markup, of which Telegram says nothing
_EDIT: Final = "editMessageText"
_ANSWER: Final = "answerCallbackQuery"
_LONGEST_DESCRIPTION: Final = 256  # of a command
_COMMAND: Final = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)
log = logging.getLogger("sandbox")


def _error(status: int, description: str, **parameters: int) -> web.Response:
    body: dict[str, object] = {"ok": False, "error_code": status, "description": description}
    if parameters:
        body["parameters"] = parameters
    return web.json_response(body, status=status)


def _bad(what: str) -> RequestRefused:
    return RequestRefused(_error(400, f"Bad Request: {what}"))


class Telegram(Provider):
    """Telegram: one call, one message to one chat.

    ``commands`` are what the bot registered, by scope and language.
    """

    channel = "telegram"
    provider_name = "telegram"
    _ids = itertools.count(1)

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(outbox)
        self.updates = UpdateDesk(self._perform)
        self.presses = PressDesk()
        self.commands: dict[tuple[str, str], list[dict[str, str]]] = {}

    def add_own_routes(self, app: web.Application) -> None:
        """Add the methods about messages, presses, commands and updates, the control, and the page to press Start."""
        app.router.add_post("/bot{token}/sendMessage", self.call)
        app.router.add_post(f"/bot{{token}}/{_EDIT}", self.call)
        app.router.add_post(f"/bot{{token}}/{_ANSWER}", self._answer_press)
        app.router.add_post("/bot{token}/setMyCommands", self._set_commands)
        app.router.add_post("/bot{token}/getMyCommands", self._show_commands)
        add_control(app, self, "/_control")
        self.updates.add_routes(app)

    async def reset(self) -> None:
        """Forget its messages, updates, presses, commands and webhook too."""
        await super().reset()
        await self.updates.reset()
        self.presses.clear()
        self.commands.clear()

    def say(self, text: str, chat: Chat) -> Update:
        """Let a person write to the bot; return the update that it gets."""
        return self.updates.add(build_written(chat, text))

    def press(self, message: Message, data: str, chat: Chat) -> str:
        """Let a person press a button below a message; return the id of the press, which the bot answers."""
        pressed = build_pressed(chat, message, data)
        query_id: str = pressed["callback_query"]["id"]
        self.presses.add(query_id)
        self.updates.add(pressed)
        return query_id

    def read_key(self, request: web.Request) -> str:
        """Return the bot's token, which is part of the path."""
        return request.match_info["token"]

    def rate_limited(self, seconds: int) -> web.Response:
        """Answer 429 with parameters.retry_after."""
        return _error(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)

    def broken(self) -> web.Response:
        """Answer 500."""
        return _error(500, "Internal Server Error")

    def unauthorized(self) -> web.Response:
        """Answer 401."""
        return _error(401, "Unauthorized")

    def rejected(self, drafts: list[OutboxDraft], *, named: bool) -> web.Response:  # noqa: ARG002 - a chat is not named
        """Answer 403: the person has blocked the bot."""
        return _error(403, "Forbidden: bot was blocked by the user")

    async def read_call(self, request: web.Request) -> Accepted:
        """Read a message, or the text that takes the place of one, into its one draft."""
        sent = await _read_fields(request)
        named = {"seen_at": seen_at(request.headers.get("X-Seen-At")), "custom": told_ids(request)}
        return self._read_message(sent, named, is_edit=request.path.endswith(_EDIT))

    def _read_message(self, sent: Mapping[str, Any], named: Mapping[str, Any], *, is_edit: bool) -> Accepted:
        chat, text = str(sent.get("chat_id", "")), sent.get("text")
        if not _CHAT.fullmatch(chat):
            raise _bad("chat not found" if chat else "chat_id is empty")
        if not isinstance(text, str) or not text.strip():
            raise _bad("message text is empty")
        is_html = str(sent.get("parse_mode", "")).upper() == "HTML"
        visible = _visible(text, is_html=is_html)
        draft = OutboxDraft(
            to=chat,
            text=text,
            html=text if is_html else None,
            buttons=_buttons(sent.get("reply_markup")),
            **named,
        )
        if is_edit:
            edited = self._find_edited(sent, draft)
            number = int(edited.provider_id)
            return Accepted([draft], edited.provider_id, _answer(number, chat, visible), edited)
        number = next(self._ids)
        return Accepted([draft], str(number), _answer(number, chat, visible))

    def _find_edited(self, sent: Mapping[str, Any], draft: OutboxDraft) -> Message:
        """Return the message of the chat that a call names; one that would stay as it is may not be edited."""
        found = self.outbox.find_sent(self.channel, str(sent.get("message_id", "")), draft.to)
        if found is None:
            raise _bad("message to edit not found")
        if (found.text, found.draft.buttons) == (draft.text, draft.buttons):
            raise _bad(
                "message is not modified: specified new message content and reply markup are exactly the same as"
                " a current content and reply markup of the message"
            )
        return found

    async def _answer_press(self, request: web.Request) -> web.Response:
        if refusal := self._failing(self.modes.met_by(), request):
            return refusal
        try:
            self.presses.answer(await read_fields(request))
        except PressRefused as refused:
            return _bad(str(refused)).answer
        return _true()

    async def _perform(self, call: dict[str, Any]) -> None:
        """Carry out a call that a webhook answered with; a refusal is only logged."""
        method = call["method"]
        try:
            if method == _ANSWER:
                self.presses.answer(call)
            elif method in ("sendMessage", _EDIT):
                self._keep(self._read_message(call, {}, is_edit=method == _EDIT))
            else:
                log.warning("the webhook of Telegram: %s is not stood in for", method)
        except (RequestRefused, PressRefused) as refused:
            log.warning("the webhook of Telegram: %s", refused)

    async def _set_commands(self, request: web.Request) -> web.Response:
        asked = await read_fields(request)
        commands = asked.get("commands")
        if not isinstance(commands, list) or not all(map(_is_command, commands)):
            return _bad("BOT_COMMAND_INVALID").answer
        self.commands[_read_scope(asked)] = commands
        return _true()

    async def _show_commands(self, request: web.Request) -> web.Response:
        found = self.commands.get(_read_scope(await read_fields(request)), [])
        return web.json_response({"ok": True, "result": found})


def _true() -> web.Response:
    return web.json_response({"ok": True, "result": True})


def _is_command(one: object) -> bool:
    if not isinstance(one, dict) or not _COMMAND.fullmatch(str(one.get("command"))):
        return False
    return 0 < len(str(one.get("description", ""))) <= _LONGEST_DESCRIPTION


def _read_scope(asked: Mapping[str, Any]) -> tuple[str, str]:
    scope = asked.get("scope")
    return str(scope.get("type")) if isinstance(scope, dict) else "default", str(
        asked.get("language_code") or ""
    )


async def _read_fields(request: web.Request) -> Mapping[str, Any]:
    if request.content_type != "application/json":
        return {**request.query, **await request.post()}
    try:
        sent = json.loads(await request.read())
    except (ValueError, RecursionError):
        sent = None
    if not isinstance(sent, dict):
        raise _bad("can't parse JSON object")
    return {**request.query, **sent}


def _visible(text: str, *, is_html: bool) -> str:
    visible, problem = visible_text(text) if is_html else (text, None)
    if problem is not None:
        raise _bad(f"can't parse entities: {problem}")
    if len(visible) > _LONGEST or len(text.encode()) > _LARGEST:
        raise _bad("message is too long")
    return visible


def _buttons(markup: object) -> tuple[Button, ...]:
    try:
        return read_buttons(markup)
    except ButtonsRefused as refused:
        raise _bad(str(refused)) from None


def _answer(number: int, chat: str, visible: str) -> web.Response:
    return web.json_response(_result(number, chat, visible))


def _result(number: int, chat: str, visible: str) -> dict[str, object]:
    place = (
        {"username": chat[1:], "type": "channel"}
        if chat.startswith("@")
        else {"id": int(chat), "type": "private"}
    )
    return {
        "ok": True,
        "result": {
            "message_id": number,
            "from": {"id": 1, "is_bot": True, "first_name": "RDVPriority", "username": "rdvpriority_bot"},
            "chat": place,
            "date": int(now().timestamp()),
            "text": visible,
        },
    }


_TAGS: Final = frozenset(
    "a b blockquote code del em i ins pre s span strike strong tg-emoji tg-spoiler u".split()  # noqa: SIM905 - a list of names
)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.visible: list[str] = []
        self.problem: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag not in _TAGS:
            self.problem = self.problem or f'Unsupported start tag "{tag}"'
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problem = self.problem or f'Unmatched end tag "{tag}"'

    def handle_data(self, data: str) -> None:
        self.visible.append(data)


def visible_text(text: str) -> tuple[str, str | None]:
    """Return what a reader sees of a text, and what is wrong with its tags (None: nothing)."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    if reader.open and reader.problem is None:
        return "".join(reader.visible), f'Can\'t find end tag corresponding to start tag "{reader.open[-1]}"'
    return "".join(reader.visible), reader.problem
