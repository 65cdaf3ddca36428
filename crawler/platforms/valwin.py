"""Valwin (epharmacie.pro): all slots of a pharmacy at once. Hours are wall clocks of the place."""

from configs.strict import Strict
from crawler.parsing.answers import ACCEPT, Answer, Key, OrNone, Wall, parsed
from crawler.parsing.calendars import instant_of
from crawler.parsing.listing import Listing, listed
from crawler.reading import Ask, Page, Reading, Visit

SYSTEM = "doctolib"
EXAMPLE = "https://exemple.epharmacie.pro"
HOSTS = ("epharmacie.pro",)
EXAMPLE_PARAMETERS = {"pharmacy": "0"}

_SLOTS = "https://pharma-api.epharmacie.pro/global/api/meetings/v2/{}/slots?pageSize=1000"


class Parameters(Strict):
    """`pharmacy`: Valwin's id of it."""

    pharmacy: Key


class _Slot(Answer):
    start: Wall


class _Links(Answer):
    total: int


class _Slots(Answer):
    result: list[OrNone[_Slot]]
    links: _Links


def first(visit: Visit) -> Ask:
    """Ask for all slots."""
    return Ask(_SLOTS.format(visit.parameters.pharmacy), "slots", headers=ACCEPT)


def read(page: Page) -> Reading:
    """Read the slots; where the total says that there are more, they cover nothing."""
    if not (answer := parsed(page, _Slots)):
        return Reading()
    moments = [instant_of(slot.start, page.visit.zone) if slot else None for slot in answer.result]
    return listed(page, Listing(moments, total=answer.links.total), None)
