"""Daily budget of SMS: what one costs, and which of them it still allows.

A day is one of UTC. A price is our estimate: segments times SMS_PRICE, a minute of CALL_PRICE. Slot alerts and codes
leave at any cost; above SMS_DAY_STOP bulk messages and those after a call do not, above 1.5 times of it reminders
neither.
"""

from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from api.models.notification import Notification, Priority
from api.models.sms_cost import sum_of_day
from api.models.user import Channel
from configs.ground.contact_addresses import country_of
from configs.settings import settings
from configs.settings.sms_prices import OTHER
from notifier.content.message_kind_base import CALL_MISSED, SLOT_DETECTED, ClaimedRow

REASON = "SMS budget of the day used up"
_STOPS_AT = {Priority.BULK: Decimal(1), Priority.SCHEDULED: Decimal("1.5")}  # of SMS_DAY_STOP


def price_sms(number: str, segments: int) -> Decimal:
    """Return what so many segments to a number cost, in EUR."""
    prices = settings().sms_price
    return prices.get(country_of(number) or OTHER, prices[OTHER]) * segments


def price_call(number: str) -> Decimal:
    """Return what a call to a number costs, in EUR: one minute, as our calls last less."""
    prices = settings().call_price
    return prices.get(country_of(number) or OTHER, prices[OTHER])


def price_settled(row: Notification) -> Decimal | None:
    """Return what a message cost of which only a receipt says that it was accepted; an SMS counts as one segment."""
    number = row.contact.address if row.contact else ""
    prices = {Channel.SMS: price_sms(number, 1), Channel.VOICE: price_call(number)}
    return prices.get(row.channel)


def is_over_budget(session: Session, row: ClaimedRow, now: datetime) -> bool:
    """Whether a claimed message is an SMS that the day's budget does not allow any more."""
    stops_at = _STOPS_AT[Priority.BULK] if row.kind == CALL_MISSED else _STOPS_AT.get(row.priority)
    if row.channel is not Channel.SMS or stops_at is None or row.kind == SLOT_DETECTED:
        return False
    return sum_of_day(session, now) >= settings().sms_day_stop * stops_at
