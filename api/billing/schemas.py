"""Bodies of the billing routes."""

from typing import Literal

from api.schemas import Answer


class EventReceived(Answer):
    """The event is stored; Stripe need not repeat it."""

    received: Literal[True] = True
