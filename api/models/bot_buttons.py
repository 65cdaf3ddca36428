"""Data of the buttons under the bot's messages: the notifier writes it, the API reads what a press brings back.

Telegram takes 64 bytes. Whoever holds a chat can send any data with it, so that nothing in it proves anything: the API
looks up whose chat it is. https://core.telegram.org/bots/api#inlinekeyboardbutton
"""

import base64
import hashlib
import re
from typing import NamedTuple
from uuid import UUID

ALL = "*"  # in place of an id: every alert or match that the button may name
BACK = "back"  # in place of an answer: the answers are offered again
MOST_BYTES = 64
_ANSWERS = {"found": "f", "too_late": "l", "nothing_there": "n", "stopped": "s", BACK: "b"}
_ACTIONS = {"pause": "p", "resume": "r", "stop": "s"}
_LOOKS = {"open": "o", "slots": "s", "none": "n", "unseen": "u"}
_ANSWER_OF = {code: name for name, code in _ANSWERS.items()}
_ACTION_OF = {code: name for name, code in _ACTIONS.items()}
_ID = r"[A-Za-z0-9_-]{22}"
_ANSWER = re.compile(rf"a:([flnsb]):({_ID})(?::({_ID}|\*))?", re.ASCII)
_ALERT = re.compile(rf"d:([prs]):({_ID}|\*)", re.ASCII)
_LOOK_OF = {code: name for name, code in _LOOKS.items()}
_LOOK = re.compile(r"v:([osnu]):([0-9a-f]{16})", re.ASCII)
_LANGUAGE = re.compile(r"l:([a-z]{2})", re.ASCII)


class AnswerButton(NamedTuple):
    """An answer to a slot alert: the notification that it left with, and of several matches which one, or ALL."""

    answer: str
    notification_id: UUID
    match: UUID | str | None = None


class AlertButton(NamedTuple):
    """What to do with an alert, or with ALL."""

    action: str
    alert: UUID | str


class LanguageButton(NamedTuple):
    """A language of our messages."""

    language: str


class LookButton(NamedTuple):
    """What a person sees of a desk's page, or `open`: they are about to look; the desk by its digest."""

    seen: str
    desk: str


BotButton = AnswerButton | AlertButton | LanguageButton | LookButton


def shorten_id(key: UUID) -> str:
    """Return a UUID in 22 characters."""
    return base64.urlsafe_b64encode(key.bytes).rstrip(b"=").decode()


def write_answer_button(answer: str, notification: str, match: UUID | str | None = None) -> str:
    """Return the data of an answer; `notification` is a shortened id, or the tag that one takes the place of."""
    chosen = "" if match is None else f":{_write_id(match)}"
    return f"a:{_ANSWERS[answer]}:{notification}{chosen}"


def write_alert_button(action: str, alert: UUID | str) -> str:
    """Return the data of an action on an alert."""
    return f"d:{_ACTIONS[action]}:{_write_id(alert)}"


def write_language_button(language: str) -> str:
    """Return the data of a language."""
    return f"l:{language}"


def write_look_button(seen: str, desk_id: str) -> str:
    """Return the data of a look at a desk."""
    return f"v:{_LOOKS[seen]}:{digest_desk(desk_id)}"


def digest_desk(desk_id: str) -> str:
    """Return what stands for a desk whose id is too long for a button."""
    return hashlib.sha256(desk_id.encode()).hexdigest()[:16]


def read_button(data: str) -> BotButton | None:
    """Return the button with this data; None for any other data."""
    if found := _ANSWER.fullmatch(data):
        match = _read_id(found[3]) if found[3] else None
        return AnswerButton(_ANSWER_OF[found[1]], _expand_id(found[2]), match)
    if found := _ALERT.fullmatch(data):
        return AlertButton(_ACTION_OF[found[1]], _read_id(found[2]))
    if found := _LANGUAGE.fullmatch(data):
        return LanguageButton(found[1])
    if found := _LOOK.fullmatch(data):
        return LookButton(_LOOK_OF[found[1]], found[2])
    return None


def _write_id(key: UUID | str) -> str:
    return shorten_id(key) if isinstance(key, UUID) else key


def _read_id(text: str) -> UUID | str:
    return ALL if text == ALL else _expand_id(text)


def _expand_id(text: str) -> UUID:
    return UUID(bytes=base64.urlsafe_b64decode(f"{text}=="))
