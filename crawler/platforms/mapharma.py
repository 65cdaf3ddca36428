"""Mapharma: a calendar of some days by campaign and option. Hours are wall clocks of the place."""

from datetime import date
from typing import Any

from configs.strict import Strict
from crawler.parsing.answers import ACCEPT, Answer, Id, OrNone, parsed, wall_of
from crawler.parsing.calendars import instant_of
from crawler.parsing.listing import Listing, first_window, listed
from crawler.reading import Ask, Covered, Page, Reading, Visit

SYSTEM = "doctolib"
EXAMPLE = "https://mapharma.net/75004?c=1&l=1"
EXAMPLE_PARAMETERS = {"campaign": 1, "option": 1}
QUERY = {"c": "campaign", "l": "option"}

_CALENDAR = "https://mapharma.net/api/public/calendar"
_DAYS = 6  # an answer was said to reach a week


class Parameters(Strict):
    """`campaign` and `option`: what the address of the page calls `c` and `l`."""

    campaign: Id
    option: Id


class _Hour(Answer):
    time: str
    places_dispo: int


def first(visit: Visit) -> Ask:
    """Ask for the days from today on."""
    return first_window(visit, _opens, _DAYS)


def read(page: Page) -> Reading:
    """Read some days: each a list of hours under its date. No day at all proves nothing."""
    days = parsed(page, dict[str, list[OrNone[_Hour]]])
    if not days:
        return Reading()
    hours = [(day, hour) for day, listing in days.items() for hour in listing]
    free = [_instant(page, day, hour) for day, hour in hours if not hour or hour.places_dispo > 0]
    return listed(page, Listing(free, others=len(hours) - len(free)), _opens, _DAYS)


def _instant(page: Page, day: str, hour: Any) -> date | None:
    try:
        return instant_of(wall_of(f"{day}T{hour.time}"), page.visit.zone) if hour else None
    except ValueError:
        return None


def _opens(visit: Visit, window: Covered) -> Ask:
    desk = visit.parameters
    url = f"{_CALENDAR}/{desk.campaign}/{window.first}/{desk.option}"
    return Ask(url, "days", headers=ACCEPT | {"Referer": "https://mapharma.net/"})
