"""The one webhook endpoint, how its events are troubled, and what became of each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

from deploy.sandbox.clock import now
from deploy.sandbox.stripe.webhooks.signature import sign_headers

if TYPE_CHECKING:
    from deploy.sandbox.stripe.objects import Json

WEBHOOK_MODES: Final = ("normal", "repeat", "lose", "delay", "reorder", "hold")


@dataclass
class Endpoint:
    """Where events go. Without a ``url`` they wait until they are taken."""

    url: str = ""
    secrets: list[str] = field(default_factory=lambda: ["whsec_tests"])  # the newest first; each signs
    enabled_events: list[str] = field(default_factory=lambda: ["*"])
    mode: str = "normal"  # one of WEBHOOK_MODES
    times: int = 2  # of `repeat`; and of `reorder`: how many are reordered together
    seconds: float = 5.0  # of `delay`
    retry_seconds: list[float] = field(default_factory=lambda: [1, 2, 4, 8, 15, 30, *[60] * 30])

    def wants(self, kind: str) -> bool:
        """Whether events of this type are sent."""
        return "*" in self.enabled_events or kind in self.enabled_events

    def to_json(self) -> Json:
        """Return it as the control API shows it."""
        return asdict(self)


@dataclass
class EventDelivery:
    """What became of one event.

    ``status`` is waiting, held, lost, failed (tried again), given_up or delivered.
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
