"""The end that a form wishes, in one field: a day within ten days, or the end of what is paid."""

from datetime import date, timedelta

from api.billing.schemas import Cancellation
from api.declarations.cancellation_dates import find_days
from configs.clock import clock
from configs.withdrawal_period import ZONE

PERIOD_END = "periodEnd"


def check_wished(text: str) -> str:
    """Return a choice as it is.

    Raises:
        ValueError: it is none, or a day that is past or too far on.
    """
    if text == PERIOD_END:
        return text
    first, last = find_days(clock(), ZONE)
    day = read_wished(text).on
    if day is None or not first <= day <= last:
        raise ValueError(f"choose a day from {first} to {last}, or {PERIOD_END}")
    return text


def read_wished(text: str) -> Cancellation:
    """Return a choice that was checked, as the route asks for it."""
    return Cancellation.model_validate({PERIOD_END: True} if text == PERIOD_END else {"on": text})


def list_days() -> list[date]:
    """Return the days at whose end a contract may be wished to end, in France."""
    first, last = find_days(clock(), ZONE)
    return [first + timedelta(days=each) for each in range((last - first).days + 1)]
