"""Unwatched time of paid plans that counts: holes merged over the person's whole paid time, then measured.

api/alerts/unwatched.py records them. The order's consent names the threshold, the version of its terms a least amount.
"""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.alerts.unwatched import HOUR, MINUTE, Hole, clip, measure_unwatched, merge_holes
from api.models.payment import Payment, Unwatched
from api.models.user import Grant
from api.payments.ledger.payment_events import FOR_TIME, keeps_plan
from api.payments.ledger.subscriptions import find_order
from configs.ground.clock import clock
from configs.world.plan import plan

LEAST_CENTS = 20
_LEAST_NAMED = "2026-11-25"  # the first version of the terms that names LEAST_CENTS
_LATELY = timedelta(days=14)  # a plan that ended: the rest of its time is given once a day


def list_unwatched(session: Session, payment: Payment, until: datetime, *, fresh: bool = False) -> list[Hole]:
    """Return the times of a payment's plan up to `until` that were not watched, and count, also those not over yet.

    `fresh`: with what was not recorded yet.
    """
    mine = Payment.user_id == payment.user_id if payment.user_id else Payment.id == payment.id
    query = sa.select(Unwatched).join(Payment, Payment.id == Unwatched.payment_id).where(mine)
    known = [
        (each.payment_id, Hole(each.starts_at, each.ends_at, timedelta(seconds=each.least_seconds)))
        for each in session.scalars(query)
    ]
    if payment.user_id and fresh:
        measured = measure_unwatched(session, payment.user_id, clock())
        known += [(each.id, hole) for each, holes in measured for hole in holes]
    least = find_threshold(session, payment)
    counted = [
        (each.starts_at, each.ends_at)
        for each in merge_holes(hole for _, hole in known)
        if each.ends_at - each.starts_at > max(least, each.least)
    ]
    grants = session.scalars(sa.select(Grant).where(Grant.payment_id == payment.id, Grant.starts_at < until))
    ran = [(each.starts_at, min(each.ends_at, until)) for each in grants]
    return clip(clip(merge_holes(hole for owner, hole in known if owner == payment.id), counted), ran)


def find_threshold(session: Session, payment: Payment) -> timedelta:
    """Return from which length a hole counts: an hour where that was accepted, otherwise what the plan promises."""
    if (find_order(session, payment).consent or {}).get("acceptsHourThreshold"):
        return HOUR
    return MINUTE + timedelta(seconds=plan(payment.plan).interval_seconds or 0)


def find_least_cents(session: Session, payment: Payment) -> int:
    """Return below which sum money waits for the end of the period: where the terms that were accepted say so."""
    version = find_order(session, payment).terms_version
    return LEAST_CENTS if version and version >= _LEAST_NAMED else 1


def list_watched_users(session: Session, now: datetime) -> list[UUID]:
    """Return the users whose paid time runs, or ran lately."""
    lately = (Grant.starts_at < now, Grant.ends_at > now - _LATELY)
    query = sa.select(Payment.user_id).join(Grant, Grant.payment_id == Payment.id)
    paid = query.where(*lately, keeps_plan(*FOR_TIME), Payment.user_id.is_not(None))
    return [each for each in session.scalars(paid.distinct().order_by(Payment.user_id)) if each]
