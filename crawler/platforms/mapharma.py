"""Mapharma: a calendar of some days by campaign and option. Hours are wall clocks of the place.

Beside its days stands the `first` one with a free hour, which the page shows where a week has none.
"""

from datetime import date

from pydantic import Field

from configs.strict import Strict
from crawler.parsing.answers import (
    ACCEPT,
    Answer,
    Id,
    Moment,
    Number,
    OrNone,
    day_in,
    moments_of,
    parsed,
)
from crawler.parsing.calendars import day_of
from crawler.parsing.entries import Entries, flat
from crawler.parsing.listing import Listing, first_window, listed
from crawler.parsing.moments import machine_moment
from crawler.reading import Ask, Covered, Page, Reading, Visit

SYSTEM = "doctolib"
EXAMPLE = "https://mapharma.net/75004?c=1&l=1"
EXAMPLE_PARAMETERS = {"campaign": 1, "option": 1}
QUERY = {"c": "campaign", "l": "option"}

_CALENDAR = "https://mapharma.net/api/public/calendar"
_DAYS = 6  # an answer was said to reach a week
_BESIDE = ("first", "first_text")  # no days


class Parameters(Strict):
    """`campaign` and `option`: what the address of the page calls `c` and `l`."""

    campaign: Id
    option: Id


class _Hour(Answer, extra="allow"):
    time: str
    seats: Number = Field(alias="places_dispo")


class _First(Answer):
    day: Moment = Field(alias="first")


def first(visit: Visit) -> Ask:
    """Ask for the days from today on."""
    return first_window(visit, _opens, _DAYS)


def read(page: Page) -> Reading:
    """Read some days: each a list of hours under its date. No day at all, and no hint, proves nothing."""
    answer = parsed(page, dict[str, OrNone[Entries[_Hour]]]) or {}
    days = {key: listing for key, listing in answer.items() if key not in _BESIDE}
    hint, among = _first_day(page)
    if not (hint or any(map(day_in, days))):
        return Reading()
    hours = [(day, hour) for day, listing in days.items() for hour in flat([listing])]
    taken = [hour for _, hour in hours if hour and hour.seats <= 0]
    moments = [
        machine_moment(f"{day}T{hour.time:0>5}", page.visit.zone) if hour else None
        for day, hour in hours
        if not hour or hour.seats > 0
    ]
    odd = not all(map(day_in, days)) or (among and not moments)
    found = Listing(moments, hint, others=sum(map(moments_of, taken)), odd=odd)
    return listed(page, found, _opens, _DAYS)


def _first_day(page: Page) -> tuple[date | None, bool]:
    """Return the first day with a free hour where it lies behind those asked for, and whether it is one of those."""
    said, window = parsed(page, _First), page.ask.window
    if not (said and window and window.first and window.last):
        return said.day if said else None, False
    day = day_of(said.day, page.visit.zone)
    return said.day if day > window.last else None, window.first <= day <= window.last


def _opens(visit: Visit, window: Covered) -> Ask:
    desk = visit.parameters
    url = f"{_CALENDAR}/{desk.campaign}/{window.first}/{desk.option}"
    return Ask(url, "days", headers=ACCEPT | {"Referer": "https://mapharma.net/"})
