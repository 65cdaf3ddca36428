"""Valwin (epharmacie.pro): all slots of a pharmacy at once. Hours are wall clocks of the place."""

from typing import Annotated

from pydantic import AliasPath, Field

from crawler.parsing.answers import ACCEPT, Number, Tolerant, Wall, parsed, wall_of
from crawler.parsing.calendars import instant_of
from crawler.parsing.entries import Entries, starting
from crawler.parsing.listing import Listing, listed
from crawler.parsing.parameters import OfPlace
from crawler.reading import Ask, Page, Reading, Visit

SYSTEM = "doctolib"
EXAMPLE = "https://exemple.epharmacie.pro"
HOSTS = ("epharmacie.pro",)
EXAMPLE_PARAMETERS = {"place": "0"}
Parameters = OfPlace

_SLOTS = "https://pharma-api.epharmacie.pro/global/api/meetings/v2/{}/slots?pageSize=1000"


class _Slots(Tolerant):
    result: Entries[Annotated[Wall, starting("start", read=wall_of)]]
    total: Number = Field(0, validation_alias=AliasPath("links", "total"))


def first(visit: Visit) -> Ask:
    """Ask for all slots."""
    return Ask(_SLOTS.format(visit.parameters.place), "slots", headers=ACCEPT)


def read(page: Page) -> Reading:
    """Read the slots; where the total says that there are more, they cover nothing."""
    if not (answer := parsed(page, _Slots)):
        return Reading()
    moments = [instant_of(start, page.visit.zone) if start else None for start in answer.result]
    return listed(page, Listing(moments, total=answer.total, odd=answer.lacks("total")), None)
