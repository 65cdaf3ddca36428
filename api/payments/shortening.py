"""Paid periods of a subscription that end early, as their user cancelled them: the unused time is paid back."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.alerts.unwatched import record_unwatched
from api.models.payment import Payment, RefundReason
from api.models.user import Grant
from api.payments.book import read_balances
from api.payments.grants import price_use, revive_rest
from api.payments.postings import post_end, post_revival
from api.payments.refunds import plan_refunds, spread_refund
from configs.clock import clock


def shorten_paid_time(session: Session, payment: Payment, ends: datetime) -> int:
    """End a locked payment's grants at `ends`, and plan the refund of the rest; return the cents that go back.

    What was paid by the credit of a cheaper plan goes back as time of that plan, where the money paid does not cover
    it.
    """
    if payment.user_id:
        record_unwatched(session, payment.user_id, clock())
    cause, kept = f"cancelled:{payment.id}:{ends.isoformat()}", price_use(session, payment, ends)
    mine = sa.select(Grant).where(Grant.payment_id == payment.id, Grant.ends_at > ends).with_for_update()
    for grant in session.scalars(mine):
        grant.ends_at = max(ends, grant.starts_at + timedelta(seconds=1))
    post_end(session, payment.id, cause, kept)
    rest = read_balances(session, payment.id).claims - kept
    back = sum(each.amount_cents for each in plan_refunds(session, payment, rest, RefundReason.CANCELLED))
    unpaid = rest - back
    revive_rest(session, payment, ends, unpaid)
    post_revival(session, payment.id, cause, unpaid)
    return back


def measure_refund(session: Session, payment: Payment, ends: datetime) -> int:
    """Return the cents that `shorten_paid_time` would give back now."""
    rest = read_balances(session, payment.id).claims - price_use(session, payment, ends)
    return sum(part for _, part in spread_refund(session, payment, rest, upgrades=False))
