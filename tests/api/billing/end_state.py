"""End states: our rows and Stripe's objects, without ids and instants, to be compared with another run."""

from collections import Counter
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from api.models.alert import Alert
from api.models.base import session
from api.models.payment import Payment, PaymentEvent, PlanCredit, Refund, Subscription
from api.models.stripe_event import StripeEvent
from api.models.user import Grant
from api.models.watch_credit import WatchCredit
from configs.ground.clock import clock
from tests.api.billing.till import Till
from tests.api.payments.shop import list_messages
from tests.factories import rows

_HOUR = 3600


def read_end_state(till: Till) -> dict[str, Any]:
    """Return both sides as plain, sorted values."""
    now = clock()
    return {
        "payments": sorted(_describe_payment(each) for each in rows(Payment)),
        "grants": sorted(_describe_grant(each, now) for each in rows(Grant)),
        "refunds": sorted((each.amount_cents, each.reason, each.status) for each in rows(Refund)),
        "subscriptions": sorted((each.status, bool(each.cancel_wanted_at)) for each in rows(Subscription)),
        "outages": sorted((each.form, each.amount_cents) for each in rows(WatchCredit)),
        "upgrades": sorted((each.amount_cents, each.seconds) for each in rows(PlanCredit)),
        "alerts": sorted((each.enabled, bool(each.closed_at)) for each in rows(Alert)),
        "events": Counter((each.type, bool(each.applied_at), each.flag) for each in rows(StripeEvent)),
        "messages": sorted(list_messages()),
        "stripe": _describe_stripe(till),
    }


def _describe_payment(payment: Payment) -> tuple[Any, ...]:
    with session() as s:
        kinds = s.scalars(sa.select(PaymentEvent.kind).where(PaymentEvent.payment_id == payment.id)).all()
    happened = tuple(sorted(kinds))
    alert = bool(payment.alert_id)
    return payment.plan, payment.amount_cents, payment.refunded_cents, payment.status, happened, alert


def _describe_grant(grant: Grant, now: datetime) -> tuple[Any, ...]:
    """Say how long a grant is in whole hours: some seconds pass until the sweep looks."""
    hours = round((grant.ends_at - grant.starts_at).total_seconds() / _HOUR)
    return grant.plan, grant.source, hours, grant.ends_at <= now


def _describe_stripe(till: Till) -> dict[str, Any]:
    control = till.shop.control
    return {
        "money": sorted((each["captured"], each["refunded"], each["net"]) for each in control.ledger()),
        "sessions": sorted((each["mode"], each["status"]) for each in control.objects("checkout.session")),
        "refunds": sorted(each["amount"] for each in control.objects("refund")),
        "subscriptions": sorted(
            (each["status"], bool(each["cancel_at"])) for each in control.objects("subscription")
        ),
        "items": sorted(each["amount"] for each in control.objects("invoiceitem")),
        "coupons": len(control.objects("coupon")),
        "customers": len(control.objects("customer")),
    }
