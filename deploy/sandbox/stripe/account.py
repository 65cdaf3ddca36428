"""One account of Stripe: its objects, its clock, its settings and its events."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.stripe.billing_clock import BillingClock
from deploy.sandbox.stripe.errors import missing_object
from deploy.sandbox.stripe.objects import Json, new_id, show

if TYPE_CHECKING:
    from collections.abc import Callable

# https://docs.stripe.com/api/versioning; the version that the SDK 16.1 sends.
API_VERSION: Final = "2026-10-28.endive"
AFTER_RETRIES: Final = ("cancel", "unpaid", "past_due")


@dataclass
class BillingSettings:
    """What an account's owner sets in Stripe's dashboard."""

    retry_days: tuple[int, ...] = (1, 3, 5)  # after the first failure of a renewal
    after_retries: str = "cancel"  # what becomes of the subscription then, one of AFTER_RETRIES
    draft_seconds: int = 3600  # from a renewal's draft invoice to its first payment
    debit_seconds: int = 3 * 86_400  # how long a delayed debit is processing
    refund_status: str = "succeeded"  # of new refunds; or "pending"
    endpoint_version: str = API_VERSION  # of the events' payloads

    def to_json(self) -> Json:
        """Return them as the control API shows them."""
        return {**self.__dict__, "retry_days": list(self.retry_days)}


@dataclass(frozen=True)
class EventCause:
    """The API call that causes events: the id of the request and its idempotency key; None: no call."""

    request_id: str | None = None
    idempotency_key: str | None = None


@dataclass
class Account:
    """Everything that is kept. It is touched by one thread only, the sandbox's event loop.

    ``origin`` is the base URL of the pages. Each listener is called with every new event, which is ``live`` where the
    last call came with a live key.
    """

    origin: str = ""
    live: bool = False
    clock: BillingClock = field(default_factory=BillingClock)
    settings: BillingSettings = field(default_factory=BillingSettings)
    cause: EventCause = field(default_factory=EventCause)
    listeners: list[Callable[[Json], None]] = field(default_factory=list)
    _objects: dict[str, dict[str, Json]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def add(self, made: Json) -> Json:
        """Keep a new object; return it."""
        made["_number"] = next(self._numbers)
        self._objects.setdefault(made["object"], {})[made["id"]] = made
        return made

    def drop(self, thing: Json) -> None:
        """Forget an object."""
        self._objects[thing["object"]].pop(thing["id"])

    def get(self, kind: str, identifier: str | None) -> Json | None:
        """Return an object, or None."""
        return self._objects.get(kind, {}).get(identifier or "")

    def find(self, kind: str, identifier: str, param: str | None = None) -> Json:
        """Return an object.

        Raises:
            StripeError: there is none: 404, or 400 where the id is the parameter ``param``.
        """
        found = self.get(kind, identifier)
        if found is None:
            raise missing_object(kind, identifier, param, 400 if param else 404)
        return found

    def all(self, kind: str) -> list[Json]:
        """Return all objects of a kind, oldest first."""
        return list(self._objects.get(kind, {}).values())

    def where(self, kind: str, **fields: Any) -> list[Json]:
        """Return the objects of a kind that have these values, oldest first."""
        return [
            each
            for each in self._objects.get(kind, {}).values()
            if all(each.get(name) == value for name, value in fields.items())
        ]

    def counts(self) -> dict[str, int]:
        """Return how many objects of each kind are kept."""
        return {kind: len(kept) for kind, kept in self._objects.items()}

    def emit(self, kind: str, thing: Json, previous: Json | None = None) -> Json:
        """Make an event of an object as it is now; ``previous`` are the values that changed, as they were."""
        data = {"object": show(thing)} | ({"previous_attributes": previous} if previous else {})
        event = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": self.settings.endpoint_version,
            "created": self.clock.now(),
            "data": data,
            "livemode": self.live,
            "pending_webhooks": 1,
            "request": {"id": self.cause.request_id, "idempotency_key": self.cause.idempotency_key},
            "type": kind,
        }
        self.add(event)
        for listener in self.listeners:
            listener(event)
        return event

    def change(self, thing: Json, kind: str, **values: Any) -> Json:
        """Set values of an object and emit an event of this type; return the object."""
        previous = {name: thing.get(name) for name in values if thing.get(name) != values[name]}
        thing.update(values)
        self.emit(kind, thing, show(previous))
        return thing
