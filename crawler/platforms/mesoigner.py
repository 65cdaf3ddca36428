"""Mesoigner: a centre's days from a date on, empty ones too. Times have their real offset."""

from typing import Annotated

from crawler.parsing.answers import ACCEPT, Moment, Number, OrNone, Tolerant, day_in, parsed
from crawler.parsing.entries import Entries, flat, starting
from crawler.parsing.listing import Listing, first_window, listed
from crawler.parsing.parameters import OfPlace
from crawler.reading import Ask, Covered, Page, Reading, Visit

SYSTEM = "doctolib"
EXAMPLE = "https://www.mesoigner.fr/centres/0"
EXAMPLE_PARAMETERS = {"place": "0"}
Parameters = OfPlace

_CENTERS = "https://www.mesoigner.fr/api/v1/vaccination/centers"
_DAYS = 7


class _Slots(Tolerant):
    total: Number = 0
    slots: Entries[dict[str, OrNone[Entries[Annotated[Moment, starting("slot_beginning")]]]]]


def first(visit: Visit) -> Ask:
    """Ask for the days from today on."""
    return first_window(visit, _opens, _DAYS)


def read(page: Page) -> Reading:
    """Read some days; what it shows beyond those asked for is seen, not covered."""
    if not (answer := parsed(page, _Slots)):
        return Reading()
    moments = flat(flat(days.values()) if days else None for days in answer.slots)
    last = max((each for days in answer.slots for day in days or () if (each := day_in(day))), default=None)
    found = Listing(moments, total=answer.total, last=last, odd=answer.lacks("total"))
    return listed(page, found, _opens, _DAYS)


def _opens(visit: Visit, window: Covered) -> Ask:
    return Ask(f"{_CENTERS}/{visit.parameters.place}/{window.first}", "days", headers=ACCEPT)
