"""Telegram's Bot API: the messages, buttons and commands that it takes, after its public reference.

https://core.telegram.org/bots/api#sendmessage, https://core.telegram.org/bots/api#editmessagetext,
https://core.telegram.org/bots/api#inlinekeyboardbutton, https://core.telegram.org/bots/api#setmycommands and
https://core.telegram.org/bots/api#html-style. What people do is in ``telegram_chat``.
"""

from __future__ import annotations

import itertools
import json
import logging
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from deploy.sandbox import addresses
from deploy.sandbox.clock import now
from deploy.sandbox.outbox import Button, OutboxDraft
from deploy.sandbox.providers.provider import Accepted, Provider, RequestRefused, seen_at, told_ids
from deploy.sandbox.providers.telegram_chat import (
    Chat,
    PressDesk,
    PressRefused,
    Update,
    UpdateDesk,
    build_pressed,
    build_written,
    find_data,
    make_error,
    make_result,
    read_chat,
    read_fields,
)
from deploy.sandbox.request_body import Refusal, read_body, text, whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.sandbox.outbox import Message, Outbox

_CHAT: Final = re.compile(r"-?\d{1,19}|@\w{4,}")
_LONGEST: Final = 4096
_LARGEST: Final = 9000  # bytes with the markup, of which Telegram says nothing
_MOST_DATA: Final = 64  # bytes of a button's callback_data
_MOST_BUTTONS: Final = 100  # below one message
_EDIT: Final = "editMessageText"
_ANSWER: Final = "answerCallbackQuery"
_LONGEST_DESCRIPTION: Final = 256  # of a command
_COMMAND: Final = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)
_PATIENCE: Final = 10.0  # seconds that a person looks at a button that was pressed
_CHAT_KEYS: Final = frozenset({"chat", "kind", "person", "name", "language"})
_NOT_MODIFIED: Final = (
    "message is not modified: specified new message content and reply markup are exactly the same as"
    " a current content and reply markup of the message"
)
log = logging.getLogger("sandbox")


def _bad(what: str) -> RequestRefused:
    return RequestRefused(make_error(400, f"Bad Request: {what}"))


class Telegram(Provider):
    """Telegram: one call, one message to one chat.

    ``commands`` are what the bot registered, by scope and language.
    """

    channel = "telegram"
    provider_name = "telegram"
    host = addresses.TELEGRAM
    _ids = itertools.count(1)

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(outbox)
        self.updates = UpdateDesk(self._perform)
        self.presses = PressDesk()
        self.commands: dict[tuple[str, str], list[dict[str, str]]] = {}

    def add_own_routes(self, app: web.Application) -> None:
        """Add the methods about messages, presses, commands and updates, and the page to press Start."""
        app.router.add_post("/bot{token}/sendMessage", self.call)
        app.router.add_post(f"/bot{{token}}/{_EDIT}", self.call)
        app.router.add_post(f"/bot{{token}}/{_ANSWER}", self._answer_press)
        app.router.add_post("/bot{token}/setMyCommands", self._set_commands)
        self.updates.add_routes(app)

    def add_control(self, app: web.Application, prefix: str) -> None:
        """Add `<prefix>/press` and `<prefix>/say`."""
        app.router.add_post(f"{prefix}/press", self._press_button)
        app.router.add_post(f"{prefix}/say", self._say)

    async def reset(self) -> None:
        """Forget its messages, updates, presses, commands and webhook too."""
        await super().reset()
        await self.updates.reset()
        self.presses.clear()
        self.commands.clear()

    def say(self, said: str, chat: Chat) -> Update:
        """Let a person write to the bot; return the update that it gets."""
        return self.updates.add(build_written(chat, said))

    def press(self, message: Message, data: str, chat: Chat) -> str:
        """Let a person press a button below a message; return the id of the press, which the bot answers."""
        pressed = build_pressed(chat, message, data)
        query_id: str = pressed["callback_query"]["id"]
        self.presses.add(query_id)
        self.updates.add(pressed)
        return query_id

    async def _press_button(self, request: web.Request) -> web.Response:
        body = await read_body(request, _CHAT_KEYS | {"message", "button", "data"})
        number = whole_number(body, "message", least=1)
        message = self.outbox.find(number) if number else None
        if message is None or message.channel != self.channel:
            raise Refusal("message must be the number of a Telegram message that is kept", status=404)
        data = text(body, "data") or find_data(message, text(body, "button") or "")
        query_id = self.press(message, data, read_chat(body, message.to))
        return web.json_response(await self.presses.wait(query_id, _PATIENCE))

    async def _say(self, request: web.Request) -> web.Response:
        body = await read_body(request, _CHAT_KEYS | {"text"})
        said = text(body, "text")
        if not said or not said.strip():
            raise Refusal("text is missing: what the person writes")
        return web.json_response({"update_id": self.say(said, read_chat(body, ""))["update_id"]})

    def fail(self, mode: str, seconds: int) -> web.Response:
        """Answer in Telegram's shape; 429 has parameters.retry_after."""
        if mode == "rate_limited":
            return make_error(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
        if mode == "error_500":
            return make_error(500, "Internal Server Error")
        return make_error(401, "Unauthorized")

    def reject(self, drafts: list[OutboxDraft], *, named: bool) -> web.Response:  # noqa: ARG002 - a chat is not named
        """Answer 403: the person has blocked the bot."""
        return make_error(403, "Forbidden: bot was blocked by the user")

    async def read_call(self, request: web.Request) -> Accepted:
        """Read a message, or the text that takes the place of one, into its one draft."""
        try:
            sent = await read_fields(request)
        except ValueError:
            raise _bad("can't parse JSON object") from None
        named = {"seen_at": seen_at(request.headers.get("X-Seen-At")), "custom": told_ids(request)}
        return self._read_message(sent, named, is_edit=request.path.endswith(_EDIT))

    def _read_message(self, sent: Mapping[str, Any], named: Mapping[str, Any], *, is_edit: bool) -> Accepted:
        chat, written = str(sent.get("chat_id", "")), sent.get("text")
        if not _CHAT.fullmatch(chat):
            raise _bad("chat not found" if chat else "chat_id is empty")
        if not isinstance(written, str) or not written.strip():
            raise _bad("message text is empty")
        is_html = str(sent.get("parse_mode", "")).upper() == "HTML"
        visible, html = _read_visible(written, is_html=is_html), written if is_html else None
        buttons = _read_buttons(sent.get("reply_markup"))
        draft = OutboxDraft(to=chat, text=written, html=html, buttons=buttons, **named)
        edited = self._find_edited(sent, draft) if is_edit else None
        number = int(edited.provider_id) if edited else next(self._ids)
        return Accepted([draft], str(number), make_result(_build_message(number, chat, visible)), edited)

    def _find_edited(self, sent: Mapping[str, Any], draft: OutboxDraft) -> Message:
        """Return the message of the chat that a call names; one that would stay as it is may not be edited."""
        found = self.outbox.find_sent(self.channel, str(sent.get("message_id", "")), draft.to)
        if found is None:
            raise _bad("message to edit not found")
        if (found.text, found.draft.buttons) == (draft.text, draft.buttons):
            raise _bad(_NOT_MODIFIED)
        return found

    async def _answer_press(self, request: web.Request) -> web.Response:
        if refusal := self.failing():
            return refusal
        try:
            self.presses.answer(await read_fields(request))
        except PressRefused as refused:
            return _bad(str(refused)).answer
        return make_result()

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
        commands, scope = asked.get("commands"), asked.get("scope")
        if not isinstance(commands, list) or not all(map(_is_command, commands)):
            return _bad("BOT_COMMAND_INVALID").answer
        kind = str(scope.get("type")) if isinstance(scope, dict) else "default"
        self.commands[kind, str(asked.get("language_code") or "")] = commands
        return make_result()


def _is_command(one: object) -> bool:
    if not isinstance(one, dict) or not _COMMAND.fullmatch(str(one.get("command"))):
        return False
    return 0 < len(str(one.get("description", ""))) <= _LONGEST_DESCRIPTION


def _read_visible(written: str, *, is_html: bool) -> str:
    visible, problem = visible_text(written) if is_html else (written, None)
    if problem is not None:
        raise _bad(f"can't parse entities: {problem}")
    if len(visible) > _LONGEST or len(written.encode()) > _LARGEST:
        raise _bad("message is too long")
    return visible


def _read_buttons(markup: object) -> tuple[Button, ...]:
    """Return the buttons of `reply_markup`, row by row."""
    try:
        read: Any = json.loads(markup) if isinstance(markup, str) else markup or {}
        rows = read.get("inline_keyboard", [])
        found = tuple(_read_button(one, place) for place, row in enumerate(rows) for one in row)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _bad("can't parse reply keyboard markup JSON object") from None
    if len(found) > _MOST_BUTTONS:
        raise _bad("reply markup is too long")
    return found


def _read_button(one: dict[str, Any], row: int) -> Button:
    label, url, data = str(one["text"]), str(one.get("url", "")), one.get("callback_data")
    if not url and data is None:
        raise _bad("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
    if data is not None and not 0 < len(str(data).encode()) <= _MOST_DATA:
        raise _bad("BUTTON_DATA_INVALID")
    return Button(label, url, "" if data is None else str(data), row)


def _build_message(number: int, chat: str, visible: str) -> dict[str, object]:
    is_channel = chat.startswith("@")
    place = {"username": chat[1:], "type": "channel"} if is_channel else {"id": int(chat), "type": "private"}
    sender = {"id": 1, "is_bot": True, "first_name": "RDVPriority", "username": "rdvpriority_bot"}
    date = int(now().timestamp())
    return {"message_id": number, "from": sender, "chat": place, "date": date, "text": visible}


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
