"""Changes by operators: refunds, and events of Stripe's that are applied again."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session

from api.admin.payments.queries import read_event
from api.ground.errors import ApiError, not_found
from api.ground.schemas import Body
from api.models.payment import Refund, RefundReason
from api.models.stripe_event import StripeEvent
from api.payments.exchange.events import replay_event
from api.payments.exchange.objects import find_type
from api.payments.ledger.book import read_balances
from api.payments.ledger.payment_events import lock_payment
from api.payments.ledger.refunds import plan_refund
from configs.world.desk import Text

_MOST = 10_000_000  # cents


class NewRefund(Body):
    """What goes back, in cents, and what was left of the payment when the operator decided. `note`: the reason."""

    cents: Annotated[int, Field(ge=1, le=_MOST)]
    left: Annotated[int, Field(ge=0, le=_MOST)]
    note: Annotated[Text, Field(max_length=500)]


def refund_payment(session: Session, payment_id: UUID, wish: NewRefund) -> Refund:
    """Write a refund of a payment, in whole or part. A full one ends the plan once Stripe has taken it.

    Raises:
        ApiError: 404; 409, it was not paid, or less than that is left of it, or something went back since the
            operator looked, as by a second click.
    """
    try:
        payment = lock_payment(session, payment_id)
    except NoResultFound:
        raise not_found("payment") from None
    left = read_balances(session, payment.id).refundable
    if wish.left != left:
        raise ApiError(409, "payment-changed", f"{left} cents of this payment can be given back by now")
    return plan_refund(session, payment, wish.cents, RefundReason.OPERATOR, wish.note)


def describe_refund(refund: Refund) -> dict[str, Any]:
    """Return a refund as the audit notes it; the operator's words stay out, which may name a person."""
    return {"refundId": str(refund.id), "amount": refund.amount_cents}


def apply_event_again(session: Session, event_id: str) -> StripeEvent:
    """Have an event applied again: nudge its object after the commit.

    Raises:
        ApiError: 404, there is none, or it names no object; 409, nothing is done about events of its type.
    """
    event = read_event(session, event_id)
    if find_type(event.type) is None:
        raise ApiError(
            409, "unknown-type", f"events of the type {event.type} are stored only: nothing applies them"
        )
    replay_event(session, event_id)
    return event
