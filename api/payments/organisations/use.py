"""Use of an organisation in a period: the watched hours of each person, and what they cost without tax."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.alerts.unwatched import PARIS, begin_day, list_hours
from api.models.organisation import Organisation, WatchedDay
from configs.world.plan import OrganisationPrices, find_organisation_prices

HOURS = 24  # that a day's price is for


@dataclass(frozen=True, slots=True)
class PersonUse:
    """The watched hours of one person: those that are paid, and those of an operator's grant."""

    reference: int
    hours: int
    free_hours: int
    cents: int


@dataclass(frozen=True, slots=True)
class Use:
    """What people used, in cents without tax; `steps` is taken off their sum, `floor` added."""

    people: list[PersonUse]
    day_cents: int
    steps: int
    floor: int

    @property
    def net(self) -> int:
        """What the period costs."""
        return sum(each.cents for each in self.people) - self.steps + self.floor


def read_use(session: Session, organisation: Organisation, starts: datetime, ends: datetime) -> Use:
    """Return what was used in a period of one month in Paris, as far as it was measured."""
    first, last = (each.astimezone(PARIS).date() for each in (starts, ends))
    mine = sa.select(WatchedDay).where(
        WatchedDay.organisation_id == organisation.id, WatchedDay.day.between(first, last)
    )
    paid, free = Counter[int](), Counter[int]()
    for row in session.scalars(mine):
        hours = [each for each in list_hours(row) if starts <= each < ends]
        granted = [each for each in hours if is_free(organisation, each)]
        free[row.reference] += len(granted)
        paid[row.reference] += len(hours) - len(granted)
    return price_hours(find_organisation_prices(first), paid, free)


def read_unbilled(session: Session, organisation: Organisation, now: datetime) -> tuple[datetime, Use]:
    """Return what was used this month and is on no invoice yet, and since when."""
    since = begin_month(now.astimezone(PARIS).date(), 0)
    since = max(since, organisation.billed_until or since)
    return since, read_use(session, organisation, since, now)


def is_free(organisation: Organisation, hour: datetime) -> bool:
    """Return whether an hour is an operator's grant's, or before the terms for firms were accepted."""
    until, paid = organisation.free_until, organisation.paid_times
    return until is None or (hour < until and not any(hour in each for each in paid))


def price_hours(prices: OrganisationPrices | None, paid: Mapping[int, int], free: Mapping[int, int]) -> Use:
    """Price hours by reference: each person's rounded to the cent, then the steps of all, then the least of a month."""
    day_cents = prices.day_cents if prices else 0
    people = [
        PersonUse(each, paid.get(each, 0), free.get(each, 0), _divide(paid.get(each, 0) * day_cents))
        for each in sorted(paid.keys() | free.keys())
        if paid.get(each, 0) + free.get(each, 0)
    ]
    total, price, lowered = sum(each.hours for each in people), day_cents, 0
    for step in prices.steps if prices else ():
        lowered += max(total - step.above_days * HOURS, 0) * (price - step.day_cents)
        price = step.day_cents
    steps, least = _divide(lowered), prices.floor_cents if prices and total else 0
    return Use(people, day_cents, steps, max(least - (sum(each.cents for each in people) - steps), 0))


def price_full_month(people: int, now: datetime) -> Use:
    """Return what so many people cost who are watched all hours of the present month."""
    first = now.astimezone(PARIS).date().replace(day=1)
    hours = round((begin_month(first, 1) - begin_day(first)) / timedelta(hours=1))
    return price_hours(find_organisation_prices(first), dict.fromkeys(range(1, people + 1), hours), {})


def begin_month(day: date, later: int) -> datetime:
    """Return when the month begins, in Paris, that is so many months after a day's."""
    months = day.year * 12 + day.month - 1 + later
    return begin_day(date(months // 12, months % 12 + 1, 1))


def measure_tax(net: int, percent: Decimal) -> int:
    """Return the tax on an amount without it, half a cent rounded up."""
    return int((net * percent / 100).quantize(Decimal(1), ROUND_HALF_UP))


def _divide(cents_of_hours: int) -> int:
    """Return the cents of hours that were multiplied with the price of a day, half a cent rounded up."""
    return (2 * cents_of_hours + HOURS) // (2 * HOURS)
