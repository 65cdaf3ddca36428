"""Sends receipts to the product's webhooks, in the mode of the moment, and again until they are taken."""

from __future__ import annotations

import asyncio
import logging
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from deploy.sandbox.modes import Mode, Parameters, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

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
_DELIVERED: Final[Parameters] = {}
_CALL: Final = ClientTimeout(total=10)
_CONNECTIONS: Final = 8
_RETRY_SECONDS: Final = (1, 2, 4, 8, 15, 30, 60, 60)
_SUCCESS: Final = range(200, 300)
log = logging.getLogger("sandbox")


class ReceiptSender:
    """Where receipts go, and how. Without ``hooks`` nothing is sent. It lives in the sandbox's event loop."""

    def __init__(self) -> None:
        self.hooks = ""  # base address of the webhooks, as http://127.0.0.1:4000/api/hooks
        self.secret = ""  # gives SendGrid's key
        self.mode = Mode("delivered", _DELIVERED)
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: ClientSession | None = None

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
            self._run(self._deliver(url, body, sign, wait))

    async def reset(self) -> None:
        """End what is under way; say delivered again."""
        self.mode = Mode("delivered", _DELIVERED)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._client is not None:
            await self._client.close()
            self._client = None

    def to_json(self) -> dict[str, object]:
        """Return it as the control API shows it."""
        return {"hooks": self.hooks, **self.mode.to_json()}

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(
        self, url: str, body: Callable[[], bytes], sign: Callable[[bytes], dict[str, str]], wait: float
    ) -> None:
        for seconds in (wait, *_RETRY_SECONDS):
            await asyncio.sleep(seconds)
            if await self._try(url, body(), sign(body())):
                return

    async def _try(self, url: str, body: bytes, headers: dict[str, str]) -> bool:
        if self._client is None:
            self._client = ClientSession(timeout=_CALL, connector=TCPConnector(limit=_CONNECTIONS))
        try:
            async with self._client.post(url, data=body, headers=headers) as answer:
                outcome, taken = str(answer.status), answer.status in _SUCCESS
        except (ClientError, TimeoutError, ValueError) as error:
            outcome, taken = type(error).__name__, False
        if not taken:
            log.warning("a receipt to %s: %s", url.partition("?")[0], outcome)
        return taken
