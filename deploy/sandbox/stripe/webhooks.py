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
_DELAY_SECONDS: Final = 5.0
_REORDER_SECONDS: Final = 1.0


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
    tries: int = 0

    def body(self) -> bytes:
        """Return the payload."""
        shown = {key: value for key, value in self.event.items() if not key.startswith("_")}
        return json.dumps(shown, indent=2, ensure_ascii=False).encode()

    def headers(self, endpoint: Endpoint) -> dict[str, str]:
        """Return the payload's headers, signed now."""
        return sign_headers(self.body(), endpoint.secrets, int(now().timestamp()))

    def note_taken(self) -> None:
        """Count it as delivered."""
        self.status = "delivered"
        self.event["pending_webhooks"] = 0


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

    def add_event(self, event: Json) -> None:
        """Take a new event and send it as the mode says."""
        made, mode = EventDelivery(event), self.endpoint.mode
        self.deliveries[event["id"]] = made
        # The first of two is overtaken by the second.
        late = _REORDER_SECONDS if len(self.deliveries) % 2 else 0.0
        wait = {"delay": _DELAY_SECONDS, "reorder": late}.get(mode, 0.0)
        for _ in range(2 if mode == "repeat" else 1) if self.endpoint.url else ():
            self.calls.run(self._deliver(made, wait))

    def take_waiting(self) -> list[EventDelivery]:
        """Return what waits, as delivered."""
        waiting = [each for each in self.deliveries.values() if each.status == "waiting"]
        for each in waiting:
            each.note_taken()
        return waiting

    async def _deliver(self, made: EventDelivery, wait: float) -> None:
        for number, seconds in enumerate((wait, *self.endpoint.retry_seconds)):
            await asyncio.sleep(seconds)
            if number and made.status == "delivered":
                return
            made.tries += 1
            body, headers = made.body(), made.headers(self.endpoint)
            _, taken = await self.calls.post(self.endpoint.url, body, headers)
            if taken is not None:
                made.note_taken()
                return
            if made.status == "waiting":
                made.status = "failed"
        if made.status == "failed":
            made.status = "given_up"
