"""The one webhook endpoint: events are signed, sent again for three days until they are taken, and troubled on purpose.

https://docs.stripe.com/webhooks#verify-manually
"""

from __future__ import annotations

import asyncio
import hmac
import json
from dataclasses import asdict, dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final

from deploy.sandbox.clock import now
from deploy.sandbox.providers.receipts import OutgoingCalls

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.sandbox.stripe.account import BillingClock
    from deploy.sandbox.stripe.objects import Json

WEBHOOK_MODES: Final = ("normal", "repeat", "delay", "reorder")
_DELAY_SECONDS: Final = 5.0
_REORDER_SECONDS: Final = 1.0
_SENT_FOR: Final = 3 * 86_400  # seconds; then an event is lost


@dataclass
class Endpoint:
    """Where events go. Without a ``url`` they wait until they are taken."""

    url: str = ""
    secrets: list[str] = field(default_factory=lambda: ["whsec_tests"])  # the newest first; each signs
    mode: str = "normal"  # one of WEBHOOK_MODES
    # By the account's clock; the last one again and again, for three days in all
    retry_seconds: list[float] = field(default_factory=lambda: [1, 2, 4, 8, 15, 30, *[60] * 30, 3600])

    def to_json(self) -> Json:
        """Return it as the control API shows it."""
        return asdict(self)


def write_body(event: Json) -> bytes:
    """Return the payload of an event."""
    shown = {key: value for key, value in event.items() if not key.startswith("_")}
    return json.dumps(shown, indent=2, ensure_ascii=False).encode()


def sign_headers(body: bytes, secrets: Iterable[str], at: int) -> dict[str, str]:
    """Return the headers of a body: one signature for each secret, over ``<at>.<body>``."""
    signed = f"{at}.".encode() + body
    parts = [f"v1={hmac.new(secret.encode(), signed, 'sha256').hexdigest()}" for secret in secrets]
    header = ",".join([f"t={at}", *parts])
    return {"Stripe-Signature": header, "Content-Type": "application/json; charset=utf-8"}


class WebhookSender:
    """Sends events. Those that were not taken yet wait, oldest first; `pending_webhooks` of the others is 0."""

    def __init__(self, endpoint: Endpoint, clock: BillingClock) -> None:
        self.endpoint = endpoint
        self._clock = clock
        self.waiting: dict[str, Json] = {}
        self.calls = OutgoingCalls("the webhook of Stripe")
        self._late = Random(1)  # noqa: S311 - the same delays in each run

    def add_event(self, event: Json) -> None:
        """Take a new event and send it as the mode says."""
        self.waiting[event["id"]] = event
        mode = self.endpoint.mode
        wait = {"delay": _DELAY_SECONDS, "reorder": self._late.uniform(0, _REORDER_SECONDS)}.get(mode, 0.0)
        for _ in range(2 if mode == "repeat" else 1) if self.endpoint.url else ():
            self.calls.run(self._deliver(event, wait))

    def take_waiting(self) -> list[Json]:
        """Return what waits, as delivered."""
        taken = list(self.waiting.values())
        for event in taken:
            self._note_taken(event)
        return taken

    def _note_taken(self, event: Json) -> None:
        event["pending_webhooks"] = 0
        self.waiting.pop(event["id"], None)

    async def _deliver(self, event: Json, wait: float, number: int = 0) -> None:
        """Send an event after some seconds; where it is not taken, again when the account's clock is so far."""
        await asyncio.sleep(wait)
        if number and not event["pending_webhooks"]:
            return
        body = write_body(event)
        headers = sign_headers(body, self.endpoint.secrets, int(now().timestamp()))
        _, taken = await self.calls.post(self.endpoint.url, body, headers)
        retries, moment = self.endpoint.retry_seconds, self._clock.now()
        if taken is not None or moment > event["created"] + _SENT_FOR or not retries:
            self._note_taken(event)
            return
        again = moment + max(round(retries[min(number, len(retries) - 1)]), 1)
        self._clock.add_due(again, lambda: self.calls.run(self._deliver(event, 0.0, number + 1)))
