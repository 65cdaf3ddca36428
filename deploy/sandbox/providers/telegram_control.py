"""Control of Telegram's people: what they write, and which buttons they press; by the inbox and by /_control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from deploy.sandbox.control_error import Refusal
from deploy.sandbox.providers.telegram_people import Chat
from deploy.sandbox.request_body import Body, read_body, text, whole_number

if TYPE_CHECKING:
    from deploy.sandbox.outbox import Message
    from deploy.sandbox.providers.telegram import Telegram

_PATIENCE: Final = 10.0  # seconds that a person looks at a button that was pressed
_PRESS: Final = frozenset({"message", "button", "data", "chat", "kind", "person", "name", "language"})
_SAY: Final = frozenset({"text", "chat", "kind", "person", "name", "language"})


def add_control(app: web.Application, telegram: Telegram, prefix: str) -> None:
    """Add `<prefix>/press` and `<prefix>/say`."""

    async def press(request: web.Request) -> web.Response:
        body = await read_body(request, _PRESS)
        message = _find_message(telegram, body)
        data = text(body, "data") or find_data(message, text(body, "button") or "")
        query_id = telegram.press(message, data, read_chat(body, message.to))
        answer = await telegram.presses.wait(query_id, _PATIENCE)
        said = answer.to_json() if answer else {"text": "", "show_alert": False}
        return web.json_response({"answered": answer is not None, **said})

    async def say(request: web.Request) -> web.Response:
        body = await read_body(request, _SAY)
        said = text(body, "text")
        if not said or not said.strip():
            raise Refusal("text is missing: what the person writes")
        update = telegram.say(said, read_chat(body, ""))
        return web.json_response({"update_id": update["update_id"]})

    app.router.add_post(f"{prefix}/press", press)
    app.router.add_post(f"{prefix}/say", say)


def _find_message(telegram: Telegram, body: Body) -> Message:
    number = whole_number(body, "message", least=1)
    message = telegram.outbox.find(number) if number else None
    if message is None or message.channel != telegram.channel:
        raise Refusal("message must be the number of a Telegram message that is kept", status=404)
    return message


def find_data(message: Message, label: str) -> str:
    """Return what a button sends that has this label, or begins with it; a Refusal names the labels there are."""
    buttons = [button for button in message.draft.buttons if button.data]
    named = [each for each in buttons if each.text == label] or [
        each for each in buttons if label in each.text
    ]
    if not named or not label:
        raise Refusal(f"no button {label!r} to press", known=[button.text for button in buttons])
    return named[0].data


def read_chat(body: Body, own: str) -> Chat:
    """Return the chat that a body names, by default the message's own."""
    number = text(body, "chat") or own
    if not number.removeprefix("-").isdecimal():
        raise Refusal('chat must be a number as text, such as "100000017"')
    kind = text(body, "kind") or ("group" if number.startswith("-") else "private")
    return Chat(
        int(number),
        text(body, "name") or "Camille Martin",
        kind,
        whole_number(body, "person", least=1),
        text(body, "language") or "fr",
    )
