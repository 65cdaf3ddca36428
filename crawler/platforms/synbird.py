"""Synbird: one search of a company's slots over all watched days. Times have an offset."""

from typing import Annotated, ClassVar

from pydantic import Field

from configs.ground.strict_model import Strict
from crawler.parsing.dates import count_days
from crawler.parsing.json_calendar import Listing, first_window, read_listing
from crawler.parsing.json_models import Captured, Id, Instant, JsonModel, OrNone, as_from, origin, parse_json
from crawler.platforms import PAGE, Platform, match_address
from crawler.reading import CoveredWindow, Page, PageRequest, Reading, VisitContext

_SEARCH = "/v6/pro/company/getSlotsFor"


class SynbirdParameters(Strict):
    """Synbird's numbers, and the `answers` to the questions before the calendar, as the page itself posts them."""

    company: Id
    prestation: Id
    places: Annotated[tuple[Id, ...], Field(min_length=1)]
    answers: tuple[Captured, ...] = ()
    people: Id = 1


class _Slot(JsonModel):
    start_date: Instant


class _Slots(JsonModel):
    slots: list[OrNone[_Slot]] = Field(alias="timeSlots")


class Synbird(Platform):
    """Synbird."""

    SYSTEM = "custom"
    EXAMPLE = "https://app.synbird.com/75004-exemple"
    EXAMPLE_PARAMETERS: ClassVar = {"company": 1, "prestation": 1, "places": [1]}
    Parameters = SynbirdParameters

    def first_request(self, visit: VisitContext) -> PageRequest:
        """Return the search over all watched days."""
        match_address(visit.url, PAGE, "Synbird", "<name>")
        return first_window(visit, _search, days=visit.horizon.days + 1)

    def read_page(self, page: Page) -> Reading:
        """Read the slots."""
        if not (answer := parse_json(page, _Slots)):
            return Reading()
        return read_listing(page, Listing([slot.start_date if slot else None for slot in answer.slots]), None)


def _search(visit: VisitContext, window: CoveredWindow) -> PageRequest:
    desk = visit.parameters
    body = {
        "transaction_id": "",
        "id_professional_company": desk.company,
        "id_professional_agenda": None,
        "id_professional_prestation": desk.prestation,
        "id_professional_place": list(desk.places),
        "source_type": "widget",
        "duration": count_days(window),
        "number_slots": desk.people,
        "display_time_slots_as_range": False,
        "additional_informations_start": list(desk.answers),
    }
    site = origin(visit.url).replace("//app.", "//ws.")
    return PageRequest(site + _SEARCH, "slots", "POST", json=body, headers=as_from(visit.url))
