"""Sends events to the endpoint, in the mode of the moment, and again until they are taken."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from deploy.sandbox.stripe.webhooks.endpoint import EventDelivery

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from deploy.sandbox.stripe.objects import Json
    from deploy.sandbox.stripe.webhooks.endpoint import Endpoint

_CALL: Final = ClientTimeout(total=10)
_CONNECTIONS: Final = 8
_SUCCESS: Final = range(200, 300)
_REORDER_SECONDS: Final = 1.0  # events wait no longer for others
_UNDELIVERED: Final = frozenset({"waiting", "held", "lost", "failed", "given_up"})
log = logging.getLogger("sandbox")


class WebhookSender:
    """All deliveries, oldest first. It lives in the sandbox's event loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.deliveries: dict[str, EventDelivery] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._reordered: list[EventDelivery] = []
        self._client: ClientSession | None = None

    def add_event(self, event: Json) -> None:
        """Take a new event and send it as the mode says."""
        if not self.endpoint.wants(event["type"]):
            event["pending_webhooks"] = 0
            return
        made = self.deliveries[event["id"]] = EventDelivery(event)
        mode = self.endpoint.mode
        if mode == "lose":
            made.status = "lost"
        elif mode == "hold":
            made.status = "held"
        elif self.endpoint.url:
            self._start(made, mode)

    def take_waiting(self) -> list[EventDelivery]:
        """Return what waits, as delivered; in the mode ``repeat`` several times."""
        waiting = [each for each in self.deliveries.values() if each.status == "waiting"]
        for each in waiting:
            each.note("taken", delivered=True)
        times = self.endpoint.times if self.endpoint.mode == "repeat" else 1
        taken = [each for each in waiting for _ in range(times)]
        return taken[::-1] if self.endpoint.mode == "reorder" else taken

    def send(self, events: Iterable[str] | None = None) -> list[EventDelivery]:
        """Send these events again, or all that were not delivered; without a URL they wait to be taken."""
        known = self.deliveries.values()
        chosen = (
            set(events)
            if events is not None
            else {each.event["id"] for each in known if each.status in _UNDELIVERED}
        )
        found = [each for each in known if each.event["id"] in chosen]
        for each in found:
            if self.endpoint.url:
                self._run(self._deliver(each))
            else:
                each.status = "waiting"
        return found

    async def stop(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _start(self, made: EventDelivery, mode: str) -> None:
        if mode == "reorder":
            self._reordered.append(made)
            if len(self._reordered) == 1:
                self._run(self._reorder_later())
            if len(self._reordered) >= self.endpoint.times:
                self._run(self._send_reordered())
        elif mode == "repeat":
            for _ in range(self.endpoint.times):
                self._run(self._deliver(made))
        else:
            self._run(self._deliver(made, self.endpoint.seconds if mode == "delay" else 0))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reorder_later(self) -> None:
        await asyncio.sleep(_REORDER_SECONDS)
        await self._send_reordered()

    async def _send_reordered(self) -> None:
        waiting, self._reordered = self._reordered[::-1], []
        for each in waiting:
            await self._try(each)
        for each in waiting:
            if each.status == "failed":
                self._run(self._retry(each))

    async def _deliver(self, made: EventDelivery, wait: float = 0) -> None:
        await asyncio.sleep(wait)
        if not await self._try(made):
            await self._retry(made)

    async def _retry(self, made: EventDelivery) -> None:
        for seconds in self.endpoint.retry_seconds:
            await asyncio.sleep(seconds)
            if made.status == "delivered" or await self._try(made):
                return
        made.status = "given_up"

    async def _try(self, made: EventDelivery) -> bool:
        if self._client is None:
            self._client = ClientSession(timeout=_CALL, connector=TCPConnector(limit=_CONNECTIONS))
        body, headers = made.body(), made.headers(self.endpoint)
        try:
            async with self._client.post(self.endpoint.url, data=body, headers=headers) as answer:
                outcome, delivered = str(answer.status), answer.status in _SUCCESS
        except (ClientError, TimeoutError, ValueError) as error:
            outcome, delivered = type(error).__name__, False
        made.note(outcome, delivered=delivered)
        if not delivered:
            log.warning("the webhook of Stripe: %s for %s", outcome, made.event["type"])
        return delivered
