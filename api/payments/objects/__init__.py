"""Stripe's object types: how one is read at Stripe, and what its present state changes here."""

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from api.payments.notices import Effects


class StripeObject(ABC):
    """One type of object.

    What an event said is never applied: it only names an object, and this reads what is true by now. So any order,
    repetition or loss of events ends in the same state.
    """

    event_types: ClassVar[tuple[str, ...]]  # whose object is of this type

    @abstractmethod
    def fetch(self, object_id: str) -> Any:
        """Read the object at Stripe, outside a transaction.

        Raises:
            api.payments.errors.StripeAway: no answer.
            api.payments.errors.StripeRefused: there is no such object.
        """

    @abstractmethod
    def apply(self, session: Session, facts: Any) -> Effects:
        """Change our rows to what `fetch` returned. Applying the same again, or something older, changes nothing.

        Raises:
            api.payments.errors.UnknownOwner: it belongs to nothing of ours, or not yet.
        """


@lru_cache(maxsize=1)
def object_types() -> dict[str, StripeObject]:
    """Return all object types by the name that `payment_differences` has for them."""
    from api.payments.objects import money_back, purchases  # noqa: PLC0415 -- they import us

    return {
        "checkout_session": purchases.CheckoutSession(),
        "dispute": money_back.Dispute(),
        "fraud_warning": money_back.FraudWarning(),
        "invoice": purchases.Invoice(),
        "payment_intent": purchases.PaymentIntent(),
        "refund": money_back.Refund(),
        "subscription": purchases.Subscription(),
    }


@lru_cache(maxsize=1)
def types_by_event() -> dict[str, StripeObject]:
    """Return the object type of each event type that is applied."""
    return {event: each for each in object_types().values() for event in each.event_types}
