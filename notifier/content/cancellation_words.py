"""Ends of contracts in words, as messages about notices of cancellation say them, in French time."""

from datetime import date, datetime, time, timedelta

from babel.dates import format_date, format_time
from sqlalchemy.orm import Session

from api.models.declaration import Declaration
from api.models.payment import Subscription
from configs.withdrawal_period import ZONE
from notifier.content.declaration_notices import write_day

_MINUTE = timedelta(minutes=1)
_PERIOD_END = {"fr": "à la fin de la période payée", "en": "at the end of the paid period"}


def write_wish(declared: Declaration, language: str) -> str:
    """Return the end that was wished: a day, or the end of the paid period."""
    if declared.wished_on is None:
        return _PERIOD_END.get(language, _PERIOD_END["fr"])
    return _write_date(declared.wished_on, language)


def write_latest(declared: Declaration, language: str) -> str:
    """Return when it takes effect at the latest by what was typed alone."""
    return _write_end(declared.takes_effect_at or declared.made_at, language)


def write_end(session: Session, declared: Declaration, language: str) -> str:
    """Return when the contract ends without another word."""
    ends = declared.takes_effect_at or declared.made_at
    if declared.at_period_end and declared.confirmed_at is None and declared.subscription_id:
        ends = max(ends, session.get_one(Subscription, declared.subscription_id).period_ends_at or ends)
    return _write_end(ends, language)


def _write_end(at: datetime, language: str) -> str:
    local = at.astimezone(ZONE)
    if local.time() == time():  # midnight belongs to the day that was chosen
        local -= _MINUTE
    return f"{write_day(local, language)}, {format_time(local, 'short', tzinfo=ZONE, locale=language)}"


def _write_date(day: date, language: str) -> str:
    text = format_date(day, "long", locale=language)
    return text.replace("1 ", "1er ", 1) if language == "fr" and day.day == 1 else text
