"""Period in which a consumer may withdraw from an order (L.221-18 to L.221-20 Code de la consommation).

Fourteen days, the day of the contract not counted, to the end of the last one in France. One that ends on a Saturday,
a Sunday or a public holiday is extended to the next working day. It lasts twelve months longer while the consumer was
not informed; informed within these, fourteen days from then on.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from configs.world.slot_releases import list_holidays

ZONE = ZoneInfo("Europe/Paris")
_DAYS = timedelta(days=14)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WithdrawalPeriod:
    """The last day of the period, in France."""

    last_day: date

    @property
    def ends_at(self) -> datetime:
        """The midnight at the end of the last day: a declaration of that instant is too late."""
        return datetime.combine(self.last_day + _DAY, time(), ZONE).astimezone(ZoneInfo("UTC"))

    def includes(self, at: datetime) -> bool:
        """Return whether a declaration of this instant is in time."""
        return at < self.ends_at


def find_withdrawal_period(contract_at: datetime, informed_at: datetime | None) -> WithdrawalPeriod:
    """Return the period of a contract. `informed_at`: the order mail was handed over; None while it was not."""
    initial = _count_days(contract_at)
    longest = _find_working_day(_add_year(initial))
    if informed_at is None or _read_day(informed_at) > longest:
        return WithdrawalPeriod(longest)
    return WithdrawalPeriod(max(initial, _count_days(informed_at)))


def _count_days(since: datetime) -> date:
    return _find_working_day(_read_day(since) + _DAYS)


def _read_day(at: datetime) -> date:
    return at.astimezone(ZONE).date()


def _add_year(day: date) -> date:
    try:
        return day.replace(year=day.year + 1)
    except ValueError:  # the 29th of February
        return date(day.year + 1, 3, 1)


def _find_working_day(day: date) -> date:
    """Return this day, or the first one after it that is neither on a weekend nor a public holiday."""
    return list_holidays().get_nth_working_day(day - _DAY, 1)
