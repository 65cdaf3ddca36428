"""Synbird: one search of a company's slots over all days that are watched. Times carry their offset."""

from typing import Annotated

from pydantic import Field

from configs.strict import Strict
from crawler.parsing.answers import Answer, Captured, Id, Instant, OrNone, as_from, origin, parsed
from crawler.parsing.calendars import days_of
from crawler.parsing.listing import Listing, first_window, listed
from crawler.parsing.shapes import PAGE, shaped
from crawler.reading import Ask, Covered, Page, Reading, Visit

SYSTEM = "custom"
EXAMPLE = "https://app.synbird.com/75004-exemple"
EXAMPLE_PARAMETERS = {"company": 1, "prestation": 1, "places": [1]}

_SEARCH = "/v6/pro/company/getSlotsFor"


class Parameters(Strict):
    """Synbird's numbers, and the `answers` to the questions before the calendar as the page itself posts them."""

    company: Id
    prestation: Id
    places: Annotated[tuple[Id, ...], Field(min_length=1)]
    answers: tuple[Captured, ...] = ()
    people: Id = 1


class _Slot(Answer):
    start_date: Instant


class _Slots(Answer):
    slots: list[OrNone[_Slot]] = Field(alias="timeSlots")


def first(visit: Visit) -> Ask:
    """Search all days that are watched."""
    shaped(visit.url, PAGE, "Synbird", "<name>")
    return first_window(visit, _search, visit.horizon.days + 1)


def read(page: Page) -> Reading:
    """Read the slots."""
    if not (answer := parsed(page, _Slots)):
        return Reading()
    return listed(page, Listing([slot.start_date if slot else None for slot in answer.slots]), None)


def _search(visit: Visit, window: Covered) -> Ask:
    desk = visit.parameters
    body = {
        "transaction_id": "",
        "id_professional_company": desk.company,
        "id_professional_agenda": None,
        "id_professional_prestation": desk.prestation,
        "id_professional_place": list(desk.places),
        "source_type": "widget",
        "duration": days_of(window),
        "number_slots": desk.people,
        "display_time_slots_as_range": False,
        "additional_informations_start": list(desk.answers),
    }
    site = origin(visit.url).replace("//app.", "//ws.")
    return Ask(site + _SEARCH, "slots", "POST", json=body, headers=as_from(visit.url))
