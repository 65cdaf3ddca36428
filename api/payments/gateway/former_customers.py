"""Stripe's customers of deleted accounts: kept while a payment may be disputed, then deleted at Stripe as well."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from api.models.base import read_once
from api.models.base import session as open_session
from api.models.payment import FormerCustomer, Payment, PaymentEvent, PaymentEventKind
from api.payments.gateway.errors import MISSING, StripeAway, StripeRefused
from configs.ground.clock import clock

KEPT_FOR = timedelta(days=120)  # the longest time in which card networks accept a dispute
_AT_ONCE = 100
_OVER = (PaymentEventKind.DISPUTE_WON, PaymentEventKind.DISPUTE_LOST, PaymentEventKind.DISPUTE_CLOSED)
log = structlog.get_logger(__name__)


def keep_customer(session: Session, payment_id: UUID, customer: str) -> None:
    """Store the Stripe customer of a payment whose account is being deleted, unless one is stored."""
    row = insert(FormerCustomer).values(
        payment_id=payment_id, customer=customer, dropped_at=clock() + KEPT_FOR
    )
    session.execute(row.on_conflict_do_nothing())


def find_customer(session: Session, payment_id: UUID) -> str | None:
    """Return the customer of a payment whose account is deleted, while it is stored."""
    return session.scalar(sa.select(FormerCustomer.customer).where(FormerCustomer.payment_id == payment_id))


def drop_customers() -> dict[str, int]:
    """Delete the customers whose time is over, at Stripe and then here; Stripe retains by itself what it must."""
    due = read_once(_list_due, clock())
    deleted = sum(_drop(each) for each in due)
    return {"deleted": deleted, "left": len(due) - deleted}


def _list_due(session: Session, now: datetime) -> list[str]:
    """Return customers all of whose payments are past KEPT_FOR and without an open dispute."""
    other = aliased(FormerCustomer)
    needed = sa.exists().where(
        other.customer == FormerCustomer.customer, (other.dropped_at > now) | _is_disputed(other)
    )
    due = (FormerCustomer.dropped_at <= now, ~needed)
    return list(session.scalars(sa.select(FormerCustomer.customer).where(*due).distinct().limit(_AT_ONCE)))


def _is_disputed(row: type[FormerCustomer]) -> sa.ColumnElement[bool]:
    opened, over = aliased(PaymentEvent), aliased(PaymentEvent)
    ended = sa.exists().where(
        over.payment_id == opened.payment_id, over.subject == opened.subject, over.kind.in_(_OVER)
    )
    is_open = opened.kind == PaymentEventKind.DISPUTE_OPENED
    return sa.exists().where(opened.payment_id == row.payment_id, is_open, ~ended)


def _drop(customer: str) -> bool:
    """Delete a customer with name, address and cards; the payments stay, and can still be refunded."""
    from api.payments.gateway.client import call  # noqa: PLC0415 -- late: Stripe's library takes a second to load

    try:
        call(lambda client: client.v1.customers.delete(customer))
    except (StripeAway, StripeRefused) as error:
        if getattr(error, "code", "") != MISSING:  # it was deleted before
            log.warning("a customer is not deleted at Stripe", customer=customer, because=str(error))
            return False
    with open_session() as s:
        s.execute(sa.delete(FormerCustomer).where(FormerCustomer.customer == customer))
    return True


def keep_customers(session: Session, user_id: UUID, customer: str | None) -> None:
    """Store the Stripe customer of each payment of an account that is being deleted; `customer`: the account's."""
    for payment in session.scalars(sa.select(Payment).where(Payment.user_id == user_id)).all():
        paid_by = payment.stripe_customer_id or customer
        if paid_by:
            keep_customer(session, payment.id, paid_by)
        payment.stripe_customer_id = None
