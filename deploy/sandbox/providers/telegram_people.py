"""Updates about messages that people write and buttons that they press, as the bot gets them.

https://core.telegram.org/bots/api#update
"""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.clock import now

if TYPE_CHECKING:
    from deploy.sandbox.outbox import Message

Update = dict[str, Any]
_message_ids: Final = itertools.count(1_000_000)  # of what people write; those of the bot are smaller


@dataclass(frozen=True)
class Chat:
    """A chat, and the person who writes or presses there; groups have ids below zero."""

    id: int
    name: str = "Camille Martin"
    kind: str = "private"
    person: int | None = None  # where it is not the chat's own id
    language: str = "fr"

    def build_person(self) -> dict[str, object]:
        """Return the person."""
        first, _, last = self.name.partition(" ")
        number = abs(self.id) if self.person is None else self.person
        return {
            "id": number,
            "is_bot": False,
            "first_name": first,
            "last_name": last,
            "language_code": self.language,
        }

    def build_place(self) -> dict[str, object]:
        """Return the chat."""
        if self.kind != "private":
            return {"id": self.id, "title": self.name, "type": self.kind}
        first, _, last = self.name.partition(" ")
        return {"id": self.id, "first_name": first, "last_name": last, "type": self.kind}


def build_written(chat: Chat, text: str) -> Update:
    """Return the update about a message that a person writes, without its number."""
    message = {
        "message_id": next(_message_ids), "from": chat.build_person(), "chat": chat.build_place(),
        "date": int(now().timestamp()), "text": text,
    }  # fmt: skip
    return {"message": message}


def build_pressed(chat: Chat, message: Message, data: str) -> Update:
    """Return the update about a button that a person presses, without its number."""
    shown = {
        "message_id": int(message.provider_id), "chat": chat.build_place(),
        "date": int(message.received_at.timestamp()), "text": message.text,
    }  # fmt: skip
    query = {
        "id": str(secrets.randbits(63)), "from": chat.build_person(), "message": shown,
        "chat_instance": str(secrets.randbits(63)), "data": data,
    }  # fmt: skip
    return {"callback_query": query}
