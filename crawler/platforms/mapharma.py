"""Mapharma: a calendar of some days by campaign and option. Hours are wall clocks of the place."""

from pydantic import Field

from configs.strict import Strict
from crawler.parsing.answers import ACCEPT, Answer, Id, Number, OrNone, day_in, moments_of, parsed
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
_BESIDE = ("first", "first_text")  # no days: what stands there is nowhere written down


class Parameters(Strict):
    """`campaign` and `option`: what the address of the page calls `c` and `l`."""

    campaign: Id
    option: Id


class _Hour(Answer, extra="allow"):
    time: str
    seats: Number = Field(alias="places_dispo")


def first(visit: Visit) -> Ask:
    """Ask for the days from today on."""
    return first_window(visit, _opens, _DAYS)


def read(page: Page) -> Reading:
    """Read some days: each a list of hours under its date. No day at all proves nothing."""
    answer = parsed(page, dict[str, OrNone[Entries[_Hour]]]) or {}
    days = {key: listing for key, listing in answer.items() if key not in _BESIDE}
    if not any(map(day_in, days)):
        return Reading()
    hours = [(day, hour) for day, listing in days.items() for hour in flat([listing])]
    taken = [hour for _, hour in hours if hour and hour.seats <= 0]
    moments = [
        machine_moment(f"{day}T{hour.time:0>5}", page.visit.zone) if hour else None
        for day, hour in hours
        if not hour or hour.seats > 0
    ]
    odd = not all(map(day_in, days))
    return listed(page, Listing(moments, others=sum(map(moments_of, taken)), odd=odd), _opens, _DAYS)


def _opens(visit: Visit, window: Covered) -> Ask:
    desk = visit.parameters
    url = f"{_CALENDAR}/{desk.campaign}/{window.first}/{desk.option}"
    return Ask(url, "days", headers=ACCEPT | {"Referer": "https://mapharma.net/"})
