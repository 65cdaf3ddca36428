"""Telegram's Bot API: the messages, buttons and commands that it takes, after its public reference.

https://core.telegram.org/bots/api#sendmessage, https://core.telegram.org/bots/api#editmessagetext,
https://core.telegram.org/bots/api#inlinekeyboardbutton, https://core.telegram.org/bots/api#answercallbackquery,
https://core.telegram.org/bots/api#setmycommands, https://core.telegram.org/bots/api#getme and https://core.telegram.org/bots/api#html-style.
What people do is in ``telegram_chat``.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from typing import TYPE_CHECKING, Annotated, Any, Final
from xml.etree import ElementTree as ET

from pydantic import Field

from deploy.sandbox import addresses
from deploy.sandbox.clock import now
from deploy.sandbox.outbox import Button, OutboxDraft
from deploy.sandbox.providers.provider import Accepted, MessageProvider, RequestRefused, read_told
from deploy.sandbox.providers.telegram_chat import (
    Chat,
    Update,
    UpdateDesk,
    build_pressed,
    build_written,
    make_error,
    make_result,
    read_fields,
    refuse,
)
from deploy.sandbox.request_body import Body, Refusal, read_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from deploy.sandbox.outbox import Message, Outbox

_CHAT: Final = re.compile(r"-?\d{1,19}|@\w{4,}")
_LONGEST: Final = 4096
_LARGEST: Final = 9000  # bytes with the markup, of which Telegram says nothing
_MOST_DATA: Final = 64  # bytes of a button's callback_data
_EDIT: Final = "editMessageText"
_ANSWER: Final = "answerCallbackQuery"
_METHODS: Final = ("sendMessage", _EDIT, _ANSWER, "setMyCommands")
_LONGEST_ANSWER: Final = 200  # characters of the line that answers a press
_LONGEST_DESCRIPTION: Final = 256  # of a command
_COMMAND: Final = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)
_PATIENCE: Final = 10.0  # seconds that a person looks at a button that was pressed
_NOT_MODIFIED: Final = (
    "message is not modified: specified new message content and reply markup are exactly the same as"
    " a current content and reply markup of the message"
)
log = logging.getLogger("sandbox")


class _Press(Body):
    message: int
    data: str


class _Say(Body):
    chat: int
    text: Annotated[str, Field(pattern=r"\S")]


class Telegram(MessageProvider):
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
        self._presses: dict[
            str, asyncio.Future[dict[str, object]]
        ] = {}  # by query: what the bot answered, once
        self.commands: dict[tuple[str, str], list[dict[str, str]]] = {}

    def add_own_routes(self, app: web.Application) -> None:
        """Add the methods about messages, presses, commands and updates, and the page to press Start."""
        app.router.add_post(f"/bot{{token}}/{{method:{'|'.join(_METHODS)}}}", self.call)
        self.updates.add_routes(app)

    async def reset(self) -> None:
        """Forget its messages, updates, presses, commands and webhook too."""
        await super().reset()
        await self.updates.reset()
        self._presses.clear()
        self.commands.clear()

    def say(self, said: str, chat: Chat) -> Update:
        """Let a person write to the bot; return the update that it gets."""
        return self.updates.add(build_written(chat, said))

    def press(self, message: Message, data: str) -> str:
        """Let a person press a button below a message; return the id of the press, which the bot answers."""
        pressed = build_pressed(Chat(int(message.to)), message, data)
        query_id: str = pressed["callback_query"]["id"]
        self._presses[query_id] = asyncio.get_running_loop().create_future()
        self.updates.add(pressed)
        return query_id

    def answer_to(self, query_id: str) -> dict[str, object] | None:
        """Return what the bot answered to a press: a line, above the chat or as a box; None as long as it has not."""
        known = self._presses.get(query_id)
        return known.result() if known and known.done() else None

    async def control_press(self, request: web.Request) -> dict[str, object]:
        """Press the button that sends the body's ``data`` below its ``message``; return what the bot answers."""
        body = await read_body(request, _Press)
        message = self.outbox.find(body.message)
        if message is None or message.channel != self.channel:
            raise Refusal("message must be the number of a Telegram message that is kept", status=404)
        known = [each.data for each in message.draft.buttons if each.data]
        if body.data not in known:
            raise Refusal(f"no button sends {body.data!r}", known=known)
        query_id = self.press(message, body.data)
        await asyncio.wait([self._presses[query_id]], timeout=_PATIENCE)
        answer = self.answer_to(query_id)
        return {"answered": answer is not None, **(answer or {"text": ""})}

    async def control_say(self, request: web.Request) -> dict[str, object]:
        """Write the body's ``text`` to the bot in its ``chat``."""
        body = await read_body(request, _Say)
        return {"update_id": self.say(body.text, Chat(body.chat))["update_id"]}

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
        """Read a message, or the text that takes the place of one, into its one draft; or do what else is asked."""
        sent, told = await read_fields(request), read_told(request.headers.get)
        return self._carry_out(request.match_info["method"], sent, told)

    def _carry_out(self, method: str, sent: Mapping[str, Any], told: Mapping[str, Any]) -> Accepted:
        if method not in _METHODS:
            raise refuse(f"{method} is not stood in for")
        if method == _ANSWER:
            self._answer_press(sent)
        elif method == "setMyCommands":
            self._set_commands(sent)
        else:
            return self._read_message(sent, told, is_edit=method == _EDIT)
        return Accepted([], "", make_result())

    def _answer_press(self, fields: Mapping[str, Any]) -> None:
        """Answer a press; refused without a press, a second time, and with a line that is too long."""
        waiting, said = self._presses.get(str(fields.get("callback_query_id"))), str(fields.get("text") or "")
        if waiting is None or waiting.done():
            raise refuse("query is too old and response timeout expired or query ID is invalid")
        if len(said) > _LONGEST_ANSWER:
            raise refuse("MESSAGE_TOO_LONG")
        waiting.set_result({"text": said, "show_alert": fields.get("show_alert") in (True, "true", "True")})

    def _read_message(self, sent: Mapping[str, Any], named: Mapping[str, Any], *, is_edit: bool) -> Accepted:
        chat, written = str(sent.get("chat_id", "")), sent.get("text")
        if not _CHAT.fullmatch(chat):
            raise refuse("chat not found" if chat else "chat_id is empty")
        if not isinstance(written, str) or not written.strip():
            raise refuse("message text is empty")
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
            raise refuse("message to edit not found")
        if (found.text, found.draft.buttons) == (draft.text, draft.buttons):
            raise refuse(_NOT_MODIFIED)
        return found

    def _perform(self, call: dict[str, Any]) -> None:
        """Carry out a call that a webhook answered with; a refusal is only logged."""
        try:
            self.keep(self._carry_out(call["method"], call, {}))
        except RequestRefused as refused:
            log.warning("the webhook of Telegram: %s", refused)

    def _set_commands(self, asked: Mapping[str, Any]) -> None:
        commands, scope = asked.get("commands"), asked.get("scope")
        if not isinstance(commands, list) or not all(map(_is_command, commands)):
            raise refuse("BOT_COMMAND_INVALID")
        kind = str(scope.get("type")) if isinstance(scope, dict) else "default"
        self.commands[kind, str(asked.get("language_code") or "")] = commands


def _is_command(one: object) -> bool:
    if not isinstance(one, dict) or not _COMMAND.fullmatch(str(one.get("command"))):
        return False
    return 0 < len(str(one.get("description", ""))) <= _LONGEST_DESCRIPTION


def _read_visible(written: str, *, is_html: bool) -> str:
    visible, problem = visible_text(written) if is_html else (written, None)
    if problem is not None:
        raise refuse(f"can't parse entities: {problem}")
    if len(visible) > _LONGEST or len(written.encode()) > _LARGEST:
        raise refuse("message is too long")
    return visible


def _read_buttons(markup: Any) -> tuple[Button, ...]:
    """Return the buttons of `reply_markup`, row by row."""
    try:
        rows = (markup or {}).get("inline_keyboard", [])
        return tuple(_read_button(one, place) for place, row in enumerate(rows) for one in row)
    except (TypeError, KeyError, AttributeError):
        raise refuse("can't parse reply keyboard markup JSON object") from None


def _read_button(one: dict[str, Any], row: int) -> Button:
    label, url, data = str(one["text"]), str(one.get("url", "")), one.get("callback_data")
    if not url and data is None:
        raise refuse("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
    if data is not None and not 0 < len(str(data).encode()) <= _MOST_DATA:
        raise refuse("BUTTON_DATA_INVALID")
    return Button(label, url, "" if data is None else str(data), row)


def _build_message(number: int, chat: str, visible: str) -> dict[str, object]:
    place = {"username": chat[1:], "type": "channel"} if chat.startswith("@") else {"id": int(chat)}
    return {"message_id": number, "chat": place, "date": int(now().timestamp()), "text": visible}


_TAGS: Final = frozenset(
    "a b blockquote code del em i ins pre s span strike strong tg-emoji tg-spoiler u".split()  # noqa: SIM905 - a list of names
)


def visible_text(text: str) -> tuple[str, str | None]:
    """Return what a reader sees of a text, and what is wrong with its tags (None: nothing). Its entities are XML's."""
    try:
        root = ET.fromstring(f"<u>{text}</u>")  # noqa: S314 - our own product's
    except ET.ParseError as error:
        return text, str(error)
    unknown = sorted({each.tag for each in root.iter()} - _TAGS)
    return "".join(root.itertext()), f'Unsupported start tag "{unknown[0]}"' if unknown else None
