"""Bimedoc: a pharmacy's slots between two days. Times are UTC."""

from typing import Annotated

from crawler.parsing.answers import ACCEPT, Answer, Moment, parsed
from crawler.parsing.entries import Entries, starting
from crawler.parsing.listing import Listing, first_window, listed
from crawler.parsing.parameters import OfPlace
from crawler.reading import Ask, Covered, Page, Reading, Visit

SYSTEM = "doctolib"
EXAMPLE = "https://app.bimedoc.com/application/scheduler/0"
HOSTS = ("bimedoc.com",)
EXAMPLE_PARAMETERS = {"place": "0"}
Parameters = OfPlace

_SLOTS = "https://server.bimedoc.com/vmd/pharmacy-with-slots"
_DAYS = 30


class _Slots(Answer):
    slots: Entries[Annotated[Moment, starting("datetime")]]


def first(visit: Visit) -> Ask:
    """Ask for the days from today on."""
    return first_window(visit, _opens, _DAYS)


def read(page: Page) -> Reading:
    """Read the slots of some days."""
    if not (answer := parsed(page, _Slots)):
        return Reading()
    return listed(page, Listing(answer.slots), _opens, _DAYS)


def _opens(visit: Visit, window: Covered) -> Ask:
    days = f"start_date={window.first}&end_date={window.last}"
    return Ask(f"{_SLOTS}/{visit.parameters.place}?{days}", "slots", headers=ACCEPT)
