"""The one webhook endpoint: events are signed, sent again until they are taken, and troubled on purpose.

https://docs.stripe.com/webhooks#verify-manually
"""

from __future__ import annotations

import asyncio
import hmac
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

from deploy.sandbox.clock import now
from deploy.sandbox.outgoing import OutgoingCalls

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.sandbox.stripe.objects import Json

WEBHOOK_MODES: Final = ("normal", "repeat", "delay", "reorder")
_TIMES: Final = 2  # of `repeat`; and of `reorder`: how many are reordered together
_DELAY_SECONDS: Final = 5.0
_REORDER_SECONDS: Final = 1.0  # events wait no longer for others


@dataclass
class Endpoint:
    """Where events go. Without a ``url`` they wait until they are taken."""

    url: str = ""
    secrets: list[str] = field(default_factory=lambda: ["whsec_tests"])  # the newest first; each signs
    mode: str = "normal"  # one of WEBHOOK_MODES
    retry_seconds: list[float] = field(default_factory=lambda: [1, 2, 4, 8, 15, 30, *[60] * 30])

    def to_json(self) -> Json:
        """Return it as the control API shows it."""
        return asdict(self)


@dataclass
class EventDelivery:
    """What became of one event.

    ``status`` is waiting, failed (tried again), given_up or delivered.
    """

    event: Json
    status: str = "waiting"
    attempts: list[Json] = field(default_factory=list)

    def body(self) -> bytes:
        """Return the payload."""
        shown = {key: value for key, value in self.event.items() if not key.startswith("_")}
        return json.dumps(shown, indent=2, ensure_ascii=False).encode()

    def headers(self, endpoint: Endpoint) -> dict[str, str]:
        """Return the payload's headers, signed now."""
        return sign_headers(self.body(), endpoint.secrets, int(now().timestamp()))

    def note(self, outcome: str, *, delivered: bool) -> None:
        """Keep how a try ended."""
        self.attempts.append({"at": int(now().timestamp()), "outcome": outcome})
        if delivered:
            self.status = "delivered"
            self.event["pending_webhooks"] = 0
        elif self.status != "delivered":
            self.status = "failed"

    def to_json(self) -> Json:
        """Return it as the control API shows it."""
        told = {name: self.event[name] for name in ("id", "type", "created")}
        subject = self.event["data"]["object"].get("id")
        return {**told, "object": subject, "status": self.status, "attempts": self.attempts}


def sign_headers(body: bytes, secrets: Iterable[str], at: int) -> dict[str, str]:
    """Return the headers of a body: one signature for each secret, over ``<at>.<body>``."""
    signed = f"{at}.".encode() + body
    parts = [f"v1={hmac.new(secret.encode(), signed, 'sha256').hexdigest()}" for secret in secrets]
    header = ",".join([f"t={at}", *parts])
    return {"Stripe-Signature": header, "Content-Type": "application/json; charset=utf-8"}


class WebhookSender:
    """All deliveries, oldest first."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.deliveries: dict[str, EventDelivery] = {}
        self.calls = OutgoingCalls("the webhook of Stripe")
        self._reordered: list[EventDelivery] = []

    def add_event(self, event: Json) -> None:
        """Take a new event and send it as the mode says."""
        made, mode = EventDelivery(event), self.endpoint.mode
        self.deliveries[event["id"]] = made
        if not self.endpoint.url:
            return
        if mode == "reorder":
            self._reordered.append(made)
            if len(self._reordered) == 1:
                self.calls.run(self._reorder_later())
            if len(self._reordered) >= _TIMES:
                self.calls.run(self._send_reordered())
            return
        for _ in range(_TIMES if mode == "repeat" else 1):
            self.calls.run(self._deliver(made, _DELAY_SECONDS if mode == "delay" else 0))

    def take_waiting(self) -> list[EventDelivery]:
        """Return what waits, as delivered."""
        waiting = [each for each in self.deliveries.values() if each.status == "waiting"]
        for each in waiting:
            each.note("taken", delivered=True)
        return waiting

    async def _reorder_later(self) -> None:
        await asyncio.sleep(_REORDER_SECONDS)
        await self._send_reordered()

    async def _send_reordered(self) -> None:
        waiting, self._reordered = self._reordered[::-1], []
        for each in waiting:
            await self._try(each)
        for each in waiting:
            if each.status == "failed":
                self.calls.run(self._retry(each))

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
        outcome, taken = await self.calls.post(self.endpoint.url, made.body(), made.headers(self.endpoint))
        made.note(outcome, delivered=taken is not None)
        return taken is not None
