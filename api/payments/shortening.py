"""Paid periods of a subscription that end early, as their user cancelled them: the unused time is paid back."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.payment import Payment, RefundReason
from api.models.user import Grant
from api.payments.grants import revive_rest
from api.payments.plan_credits import spread_refund, sum_value
from api.payments.postings import post_end, post_revival
from api.payments.refunds import plan_refunds


def round_up(cents: int, part: float, whole: float) -> int:
    """Return `cents` times `part` by `whole`, rounded up to the cent; `part` and `whole` in whole seconds."""
    return -(-cents * math.floor(part) // math.floor(whole))


def shorten_paid_time(session: Session, payment: Payment, ends: datetime, length: timedelta) -> list[UUID]:
    """End a locked payment's grants at `ends`, and plan the refund of the rest; return the refunds.

    What was paid by the credit of a cheaper plan goes back as time of that plan, where the money paid does not cover
    it.

    `length`: of the period that was bought, also where its grant was shortened before.
    """
    mine = sa.select(Grant).where(Grant.payment_id == payment.id, Grant.ends_at > ends).with_for_update()
    grants = list(session.scalars(mine))
    rest = _measure_rest(session, payment, grants, ends, length)
    for grant in grants:
        grant.ends_at = max(ends, grant.starts_at + timedelta(seconds=1))
    session.flush()
    post_end(
        session, payment.id, f"cancelled:{payment.id}:{ends.isoformat()}", sum_value(session, payment) - rest
    )
    planned = plan_refunds(session, payment, rest, RefundReason.CANCELLED)
    unpaid = rest - sum(each.amount_cents for each in planned)
    revive_rest(session, payment, ends, unpaid)
    post_revival(session, payment.id, f"cancelled:{ends.isoformat()}", unpaid)
    return [each.id for each in planned]


def measure_refund(session: Session, payment: Payment, ends: datetime, length: timedelta) -> int:
    """Return the cents that `shorten_paid_time` would give back now."""
    mine = sa.select(Grant).where(Grant.payment_id == payment.id, Grant.ends_at > ends)
    rest = _measure_rest(session, payment, session.scalars(mine).all(), ends, length)
    return sum(part for _, part in spread_refund(session, payment, rest, upgrades=False))


def _measure_rest(
    session: Session, payment: Payment, grants: Sequence[Grant], ends: datetime, length: timedelta
) -> int:
    """Return what the time after `ends` is worth, in cents."""
    unused = sum((each.ends_at - max(each.starts_at, ends)).total_seconds() for each in grants)
    return round_up(sum_value(session, payment), unused, length.total_seconds())
