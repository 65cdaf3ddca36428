"""Prices of SMS that Twilio names after it took them: asked for a few times within a day.

Until then, and where Twilio never says, a row keeps segments times SMS_PRICE.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from api.models.base import is_any_of, session
from api.models.notification import Notification
from notifier.delivery.call_time import seconds_left, within
from notifier.errors import DeliveryError
from notifier.providers.twilio import SmsPrice, fetch_price

_AT_ONCE = 50  # messages that one job asks for
_SECONDS, _LEAST_SECONDS = 3.0, 0.5  # of a job, as its worker has other work; of a call
_WAITS_GROW = 4  # asked for after 15 min, then 1, 4 and 16 hours
_LONGEST = timedelta(days=1)

log = structlog.get_logger(__name__)


def update_prices(now: datetime) -> None:
    """Ask for prices that are due, for a few seconds, and write what Twilio says. No transaction is open meanwhile."""
    due = sa.select(Notification.id, Notification.provider_id).where(Notification.price_due_at <= now)
    with session() as opened:
        found = opened.execute(due.order_by(Notification.price_due_at).limit(_AT_ONCE)).all()
    with within(_SECONDS):
        prices = _ask({key: sid or "" for key, sid in found})
    with session() as opened:
        _write(opened, prices, now)


def _ask(sids: Mapping[UUID, str]) -> dict[UUID, SmsPrice]:
    """Return the answers that came in time; the others are asked for by the next job."""
    prices = {}
    for key, sid in sids.items():
        if seconds_left() < _LEAST_SECONDS:
            break
        try:
            prices[key] = fetch_price(sid)
        except DeliveryError as error:
            log.warning("the prices of SMS are not known, asked for later", reason=error.reason)
            break
    return prices


def _write(opened: Session, prices: Mapping[UUID, SmsPrice], now: datetime) -> None:
    """Lock in the order of ids, as claims do. What a receipt or another job changed meanwhile stays."""
    locked = sa.select(Notification).where(is_any_of(Notification.id, prices)).order_by(Notification.id)
    for row in opened.scalars(locked.with_for_update(key_share=True)):
        price = prices[row.id]
        if price.cost is not None:
            row.cost, row.segments = price.cost, price.segments or row.segments
        row.price_due_at = None if price.is_final else _next_time(row, now)


def _next_time(row: Notification, now: datetime) -> datetime | None:
    passed = now - (row.accepted_at or now)
    return None if passed * _WAITS_GROW > _LONGEST else now + passed * (_WAITS_GROW - 1)
