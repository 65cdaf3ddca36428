"""People who write to the bot and press its buttons: the updates that Telegram sends, and what the bot then wrote."""

import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient

from api.models.bot_buttons import shorten_id, write_answer_button
from api.models.contact_lookup import hash_address
from api.models.notification import Notification, State
from api.models.user import Channel
from tests.clients import Person
from tests.factories import Announcement, add_contact, announce, rows

SECRET = "secret-of-the-webhook"
_ids = count(1)


def link_chat(who: Person, chat: int) -> UUID:
    """Link a chat to an account; return the contact."""
    hashes = hash_address(Channel.TELEGRAM, str(chat))
    return add_contact(who.id, Channel.TELEGRAM, str(chat), lookup_hashes=hashes).id


@dataclass
class BotUser:
    """A person in a chat, and the webhook that hears of what they do."""

    client: FlaskClient
    chat: int
    kind: str = "private"
    language: str = "fr"
    sent: list[dict[str, Any]] = field(default_factory=list)  # every update, for a repetition

    def write(self, text: str, **fields: Any) -> dict[str, Any]:
        """Write to the bot; return what the webhook answers."""
        message = {
            "message_id": next(_ids),
            "from": self._person(),
            "chat": self._place(),
            "date": 1,
            "text": text,
        }
        return self._call({"message": message | fields})

    def press(self, data: str, message_id: int = 77, **fields: Any) -> dict[str, Any]:
        """Press a button with this data; return what the webhook answers."""
        shown = {"message_id": message_id, "chat": self._place(), "date": 0}
        query = {
            "id": str(next(_ids)),
            "from": self._person(),
            "message": shown,
            "chat_instance": "1",
            "data": data,
        }
        return self._call({"callback_query": query | fields})

    def repeat(self, place: int = -1) -> dict[str, Any]:
        """Let Telegram send an update once more, by default the newest."""
        return self._post(self.sent[place])

    def _person(self) -> dict[str, Any]:
        return {
            "id": abs(self.chat),
            "is_bot": False,
            "first_name": "Camille",
            "language_code": self.language,
        }

    def _place(self) -> dict[str, Any]:
        return {"id": self.chat, "type": self.kind, "first_name": "Camille"}

    def _call(self, happened: dict[str, Any]) -> dict[str, Any]:
        self.sent.append({"update_id": next(_ids), **happened})
        return self._post(self.sent[-1])

    def _post(self, update: dict[str, Any]) -> dict[str, Any]:
        answer = self.client.post(
            "/api/telegram/webhook", data=json.dumps(update), content_type="application/json",
            headers={"X-Telegram-Bot-Api-Secret-Token": SECRET},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json or {}
        assert said.pop("received") is True
        return said


def announce_in_chat(who: Person, contact_id: UUID, message_id: int = 77, **columns: Any) -> Announcement:
    """Write an announcement that was accepted as this message of the chat."""
    chat: dict[str, Any] = {
        "channel": Channel.TELEGRAM, "contact_id": contact_id, "provider": "telegram", "state": State.DELIVERED,
        "provider_id": str(message_id),
    }  # fmt: skip
    return announce(who.id, **chat | columns)


def button(told: Announcement, answer: str, match: UUID | str | None = None) -> str:
    """Return the data of a button below an announcement."""
    return write_answer_button(answer, shorten_id(told.message), match)


def replies(kind: str = "bot_reply") -> list[dict[str, Any]]:
    """Return the params of what the bot wrote, the oldest first."""
    return [each.params for each in sorted(rows(Notification), key=lambda row: row.id) if each.kind == kind]
