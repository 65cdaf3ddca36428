"""Batch writer of a simulated process: it gathers checks as the product's own does, in simulated time.

The transaction is the product's. It blocks the thread, which takes no simulated time: its duration is simulated, too.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import redis

from configs.clock import clock
from crawler.items import CheckItem, FinishedCheck
from crawler.reading import Outcome
from crawler.recording.batch_writer import BEHIND, LINGER, record, take_batch
from crawler.scheduling import due_queue

_TRANSACTION, _CHECK = 0.01, 0.001  # simulated seconds of a transaction, and of each check in it


class SimulatedWriter:
    """Writes the checks of one process; `on_finish` is called when their desks and hosts were given back."""

    def __init__(self, system: str, client: redis.Redis, on_finish: Callable[[], object]) -> None:
        self._system, self._client, self._on_finish = system, client, on_finish
        self._waiting: deque[FinishedCheck] = deque()
        self._writing = 0
        self._some, self._hurry = asyncio.Event(), asyncio.Event()

    @property
    def behind(self) -> bool:
        """Whether nothing more should be asked: too much waits to be written."""
        return len(self._waiting) + self._writing >= BEHIND

    def put(self, check: CheckItem) -> None:
        """Hand over a check that was claimed, read to its end just now."""
        self._waiting.append(FinishedCheck(check, check.token or 0, clock()))
        self._some.set()
        if check.outcome is not Outcome.NO_SLOTS:
            self._hurry.set()

    async def serve(self) -> None:
        """Write for ever."""
        while True:
            batch = await self._collect()
            written = record(batch)
            await asyncio.sleep(_TRANSACTION + _CHECK * len(batch))
            due_queue.send(self._client, due_queue.finish(self._system, written.visits, now=clock()))
            self._writing = 0
            self._on_finish()

    async def _collect(self) -> list[FinishedCheck]:
        await self._some.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                await self._hurry.wait()
        self._hurry.clear()
        batch = take_batch(self._waiting)
        self._writing = len(batch)
        if not self._waiting:
            self._some.clear()
        return batch
