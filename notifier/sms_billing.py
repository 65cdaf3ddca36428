"""Prices of SMS and calls that Twilio names after it took them: asked for a few times within a day.

Until then, and where Twilio never says, a row keeps segments times SMS_PRICE, or minutes times CALL_PRICE.
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
from notifier.providers import twilio, twilio_calls
from notifier.twilio_api import MessagePrice

_AT_ONCE = 50  # messages that one job asks for
_SECONDS, _LEAST_SECONDS = 3.0, 0.5  # of a job, as its worker has other work; of a call
_WAITS_GROW = 4  # asked for after 15 min, then 1, 4 and 16 hours
_LONGEST = timedelta(days=1)
log = structlog.get_logger(__name__)


def update_prices(now: datetime) -> None:
    """Ask for prices that are due, for a few seconds, and write what Twilio says. No transaction is open meanwhile."""
    row = Notification
    due = sa.select(row.id, row.provider, row.provider_id).where(row.price_due_at <= now)
    with session() as opened:
        found = opened.execute(due.order_by(row.price_due_at).limit(_AT_ONCE)).all()
    with within(_SECONDS):
        prices = _ask({key: (provider or "", sid or "") for key, provider, sid in found})
    with session() as opened:
        _write(opened, prices, now)


def _ask(sids: Mapping[UUID, tuple[str, str]]) -> dict[UUID, MessagePrice]:
    """Return the answers that came in time; the others are asked for by the next job."""
    prices: dict[UUID, MessagePrice] = {}
    away: set[str] = set()  # SMS and calls are two of Twilio's services
    for key, (provider, sid) in sids.items():
        if provider in away:
            continue
        if seconds_left() < _LEAST_SECONDS:
            break
        try:
            prices[key] = fetch_price(provider, sid)
        except DeliveryError as error:
            log.warning("the prices of SMS are not known, asked for later", reason=error.reason)
            away.add(provider)
    return prices


def fetch_price(provider: str, sid: str) -> MessagePrice:
    """Ask what a message or a call cost.

    Raises:
        notifier.errors.DeliveryError: Twilio does not say now.
    """
    if provider == twilio_calls.PROVIDER:
        return twilio_calls.fetch_price(sid)
    return twilio.fetch_price(sid)


def _write(opened: Session, prices: Mapping[UUID, MessagePrice], now: datetime) -> None:
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
