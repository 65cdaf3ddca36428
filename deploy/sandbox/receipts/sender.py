"""Sends receipts to the product's webhooks, in the mode of the moment, and again until they are taken."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING, Final

from deploy.sandbox.modes import Mode, Table
from deploy.sandbox.outgoing import OutgoingCalls

if TYPE_CHECKING:
    from collections.abc import Callable

# delivered, bounced (the address is dead), refused (this message), spam say what a receipt says. late says delivered
# after ``seconds``, repeated says it ``times`` times, lost says nothing.
RECEIPT_MODES: Final[Table] = {
    "delivered": {},
    "bounced": {},
    "refused": {},
    "spam": {},
    "late": {"seconds": 5},
    "repeated": {"times": 3},
    "lost": {},
}
_RETRY_SECONDS: Final = (1, 2, 4, 8, 15, 30, 60, 60)


class ReceiptSender:
    """Where receipts go, and how. Without ``hooks`` nothing is sent."""

    def __init__(self) -> None:
        self.hooks = ""  # base address of the webhooks, as http://127.0.0.1:4000/api/hooks
        self.secret = ""  # gives SendGrid's key
        self.mode = Mode("delivered")
        self.calls = OutgoingCalls("a receipt")

    @property
    def says(self) -> str:
        """Return what a receipt says: delivered, bounced, refused or spam."""
        return self.mode.name if self.mode.name in {"bounced", "refused", "spam"} else "delivered"

    def send(self, url: str, write: Callable[[], bytes], sign: Callable[[bytes], dict[str, str]]) -> None:
        """Send a call as the mode says; its body is written and signed when it leaves. Repeated, it is the same."""
        if not self.hooks or self.mode.name == "lost":
            return
        wait = self.mode.number("seconds") if self.mode.name == "late" else 0
        times = int(self.mode.number("times")) if self.mode.name == "repeated" else 1
        body = cache(write)
        for _ in range(times):
            self.calls.run(self._deliver(url, body, sign, wait))

    async def reset(self) -> None:
        """End what is under way; say delivered again."""
        self.mode = Mode("delivered")
        await self.calls.stop()

    def to_json(self) -> dict[str, object]:
        """Return it as the control API shows it."""
        return {"hooks": self.hooks, **self.mode.to_json()}

    async def _deliver(
        self, url: str, body: Callable[[], bytes], sign: Callable[[bytes], dict[str, str]], wait: float
    ) -> None:
        for seconds in (wait, *_RETRY_SECONDS):
            await asyncio.sleep(seconds)
            _, taken = await self.calls.post(url, body(), sign(body()))
            if taken is not None:
                return
