"""Notices of renewals: what the next month of a subscription will cost, as Stripe says three days before it is charged.

Our price list may have changed since the order, and promotion codes, credits and other amounts lower an invoice: only
Stripe's preview of it knows them all (https://docs.stripe.com/api/invoices/create_preview).
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from api.ground.messages import write_message
from api.models.base import session as open_session
from api.models.base import write_once
from api.models.notification import Notification
from api.models.payment import Subscription
from api.payments.gateway.client import call
from api.payments.gateway.errors import StripeAway, StripeRefused
from api.payments.gateway.facts import InvoiceFacts
from api.payments.ledger.stripe_ids import CREDIT_KEY, find_stripe_id
from api.payments.ledger.subscriptions import RENEWING, goes_on
from configs.ground.clock import clock

_AHEAD = timedelta(days=3)
_NONE = "invoice_upcoming_none"  # Stripe's code where nothing will be charged

log = structlog.get_logger(__name__)


def list_renewals(session: Session) -> list[UUID]:
    """Return the subscriptions that renew within three days and whose notice is not written."""
    now = clock()
    soon = sa.select(Subscription).where(
        Subscription.status.in_(RENEWING),
        Subscription.user_id.is_not(None),
        sa.func.greatest(Subscription.period_ends_at, Subscription.charge_at).between(now, now + _AHEAD),
        goes_on(),
    )
    keys = {f"{_name_key(each)}:email": each.id for each in session.scalars(soon.order_by(Subscription.id))}
    told = session.scalars(sa.select(Notification.dedupe_key).where(Notification.dedupe_key.in_(keys)))
    return [keys[each] for each in keys.keys() - set(told)]


def tell_renewal(subscription_id: UUID) -> bool:
    """Ask what a renewal will cost, and write its notice; False where it does not renew any more.

    Raises:
        StripeAway: Stripe does not answer, or its id of the subscription is not known yet.
    """
    with open_session() as s:
        stripe_id = find_stripe_id(s, s.get_one(Subscription, subscription_id), "subscription")
    if stripe_id is None:
        raise StripeAway("the subscription's id is not known yet")
    wanted: Any = {"subscription": stripe_id}
    try:
        facts = InvoiceFacts.of(call(lambda c: c.v1.invoices.create_preview(wanted)))
    except StripeRefused as error:
        if error.code != _NONE:
            raise
        log.info("a subscription does not renew", subscription=str(subscription_id))
        return False
    return write_once(_write, subscription_id, facts)


def _write(session: Session, subscription_id: UUID, facts: InvoiceFacts) -> bool:
    row = session.get_one(Subscription, subscription_id)
    if row.user_id is None or row.next_charge_at is None:
        return False
    params = {
        "subscription": str(row.id),
        "ends": row.next_charge_at.isoformat(),
        "amount": facts.amount_due,
        "price": sum(each.amount for each in facts.lines if each.is_of_plan),
        "credit": -sum(each.amount for each in facts.lines if CREDIT_KEY in (each.metadata or {})),
        "discount": facts.discount,
    }
    write_message(session, row.user_id, "renewal_soon", params, _name_key(row))
    return True


def _name_key(row: Subscription) -> str:
    ends = row.next_charge_at.isoformat() if row.next_charge_at else ""
    return f"renewal-soon:{row.id}:{ends}"
