"""Buttons below a Telegram message, as the Bot API takes them.

https://core.telegram.org/bots/api#inlinekeyboardbutton
"""

from __future__ import annotations

import json
from typing import Any, Final

from deploy.sandbox.outbox import Button

_MOST_BYTES: Final = 64  # of callback_data
_MOST: Final = 100  # buttons below one message


class ButtonsRefused(ValueError):
    """A keyboard that Telegram refuses, in its words."""


def read_buttons(markup: object) -> tuple[Button, ...]:
    """Return the buttons of `reply_markup`, row by row.

    Raises:
        ButtonsRefused: it is no keyboard, or one of its buttons is none.
    """
    if markup is None:
        return ()
    try:
        read: Any = json.loads(markup) if isinstance(markup, str) else markup
        rows = read.get("inline_keyboard", [])
        found = tuple(_read_button(one, place) for place, row in enumerate(rows) for one in row)
    except ButtonsRefused:
        raise
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ButtonsRefused("can't parse reply keyboard markup JSON object") from None
    if len(found) > _MOST:
        raise ButtonsRefused("reply markup is too long")
    return found


def _read_button(one: dict[str, Any], row: int) -> Button:
    text, url, data = str(one["text"]), str(one.get("url", "")), one.get("callback_data")
    if not url and data is None:
        raise ButtonsRefused(
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
        )
    if data is not None and not 0 < len(str(data).encode()) <= _MOST_BYTES:
        raise ButtonsRefused("BUTTON_DATA_INVALID")
    return Button(text, url, "" if data is None else str(data), row)
