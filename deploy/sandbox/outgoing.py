"""Calls of the stand-ins to the product's webhooks: one HTTP client, and the tasks under way."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

_CALL: Final = ClientTimeout(total=10)
_CONNECTIONS: Final = 8
_SUCCESS: Final = range(200, 300)
log = logging.getLogger("sandbox")


class OutgoingCalls:
    """The calls of one stand-in. It lives in the sandbox's event loop."""

    def __init__(self, what: str) -> None:
        self._what = what  # is called, for the log
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: ClientSession | None = None

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Let work go on until it ends or all is stopped."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[str, bytes | None]:
        """Return a call's status or error in a word, and the body of the answer where the call was taken (2xx)."""
        if self._client is None:
            self._client = ClientSession(timeout=_CALL, connector=TCPConnector(limit=_CONNECTIONS))
        taken = None
        try:
            async with self._client.post(url, data=body, headers=headers) as answer:
                outcome = str(answer.status)
                if answer.status in _SUCCESS:
                    taken = await answer.read()
        except (ClientError, TimeoutError, ValueError) as error:
            outcome = type(error).__name__
        if taken is None:
            log.warning("%s at %s: %s", self._what, url.partition("?")[0], outcome)
        return outcome, taken

    async def stop(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._client is not None:
            await self._client.close()
            self._client = None
