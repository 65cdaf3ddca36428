"""Base class of Stripe's object types: how one is read at Stripe, and what its present state changes here."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from api.payments.effects import Effects


class StripeObject(ABC):
    """One type of object. One file in `api/payments/objects/` defines one, found under its name there.

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
