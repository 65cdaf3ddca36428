"""Presses of buttons: each waits until the bot answers it, which it may do once.

https://core.telegram.org/bots/api#answercallbackquery
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST: Final = 200  # characters of a line
_KEPT: Final = 1000


@dataclass(frozen=True)
class PressAnswer:
    """What the bot answered to a press: a line, shown above the chat or as a box."""

    text: str = ""
    show_alert: bool = False

    def to_json(self) -> dict[str, object]:
        """Return it as JSON shows it."""
        return {"text": self.text, "show_alert": self.show_alert}


class PressRefused(ValueError):
    """An answer that Telegram refuses, in its words."""


@dataclass
class PressDesk:
    """The presses by the id of their query, and what the bot answered to them."""

    _open: dict[str, asyncio.Future[PressAnswer]] = field(default_factory=dict)
    _answered: dict[str, PressAnswer] = field(default_factory=dict)

    def add(self, query_id: str) -> None:
        """Note a press."""
        self._open[query_id] = asyncio.get_running_loop().create_future()

    def answer(self, fields: Mapping[str, object]) -> None:
        """Answer a press.

        Raises:
            PressRefused: nobody pressed, or it was answered before; the line is too long.
        """
        query_id, text = str(fields.get("callback_query_id", "")), str(fields.get("text") or "")
        waiting = self._open.get(query_id)
        if waiting is None:
            raise PressRefused("query is too old and response timeout expired or query ID is invalid")
        if len(text) > _LONGEST:
            raise PressRefused("MESSAGE_TOO_LONG")
        del self._open[query_id]
        answer = PressAnswer(text, fields.get("show_alert") in (True, "true", "True"))
        self._answered[query_id] = answer
        while len(self._answered) > _KEPT:
            del self._answered[next(iter(self._answered))]
        if not waiting.done():
            waiting.set_result(answer)

    def find(self, query_id: str) -> PressAnswer | None:
        """Return what the bot answered; None as long as it has not."""
        return self._answered.get(query_id)

    async def wait(self, query_id: str, seconds: float) -> PressAnswer | None:
        """Return what the bot answers within so many seconds; None where it does not."""
        if waiting := self._open.get(query_id):
            await asyncio.wait([waiting], timeout=seconds)
        return self.find(query_id)

    def clear(self) -> None:
        """Forget all presses."""
        for waiting in self._open.values():
            waiting.cancel()
        self._open.clear()
        self._answered.clear()
