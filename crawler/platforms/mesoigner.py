"""Mesoigner: a centre's days from a date on, empty ones too. Times have their real offset."""

from configs.strict import Strict
from crawler.parsing.answers import ACCEPT, Answer, Instant, Key, OrNone, day_in, parsed
from crawler.parsing.listing import Listing, first_window, listed
from crawler.reading import Ask, Covered, Page, Reading, Visit

SYSTEM = "doctolib"
EXAMPLE = "https://www.mesoigner.fr/centres/0"
EXAMPLE_PARAMETERS = {"center": "0"}

_CENTERS = "https://www.mesoigner.fr/api/v1/vaccination/centers"
_DAYS = 7


class Parameters(Strict):
    """`center`: Mesoigner's id of it."""

    center: Key


class _Slot(Answer):
    slot_beginning: Instant


class _Slots(Answer):
    total: int
    slots: list[dict[str, list[OrNone[_Slot]]]]


def first(visit: Visit) -> Ask:
    """Ask for the days from today on."""
    return first_window(visit, _opens, _DAYS)


def read(page: Page) -> Reading:
    """Read some days; what it shows beyond those asked for is seen, not covered."""
    if not (answer := parsed(page, _Slots)):
        return Reading()
    days = [day for each in answer.slots for day in each.items()]
    moments = [slot.slot_beginning if slot else None for _, slots in days for slot in slots]
    last = max((each for day, _ in days if (each := day_in(day))), default=None)
    return listed(page, Listing(moments, total=answer.total, last=last), _opens, _DAYS)


def _opens(visit: Visit, window: Covered) -> Ask:
    return Ask(f"{_CENTERS}/{visit.parameters.center}/{window.first}", "days", headers=ACCEPT)
