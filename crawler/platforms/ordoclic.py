"""Ordoclic: one search of available slots, which names the next one behind its days. Times are UTC.

Each is written with the offset of its wall clock beside it, which the instant does not need.
"""

from typing import Annotated

from pydantic import Field

from configs.strict import Strict
from crawler.parsing.answers import ACCEPT, Key, Moment, Tolerant, parsed
from crawler.parsing.calendars import utc_ends
from crawler.parsing.entries import Entries, starting
from crawler.parsing.listing import Listing, first_window, listed
from crawler.reading import Ask, Covered, Page, Reading, Visit

SYSTEM = "doctolib"
EXAMPLE = "https://app.ordoclic.fr/app/pharmacie/exemple"
HOSTS = ("ordoclic.fr",)
EXAMPLE_PARAMETERS = {"entity": "0", "staff": "0", "reason": "0"}

_SLOTS = "https://api.ordoclic.fr/v1/solar/slots/availableSlots"
_DAYS = 50


class Parameters(Strict):
    """Ordoclic's ids of the place, the person and what people come for."""

    entity: Key
    staff: Key
    reason: Key


class _Slots(Tolerant):
    slots: Entries[Annotated[Moment, starting("timeStart")]] = Field(default_factory=list)
    next_at: Moment | None = Field(None, alias="nextAvailableSlotDate")


def first(visit: Visit) -> Ask:
    """Ask for the days from today on."""
    return first_window(visit, _opens, _DAYS)


def read(page: Page) -> Reading:
    """Read one search. `null` as the next date says that there is none; its absence, or no list, says nothing."""
    if not (answer := parsed(page, _Slots)):
        return Reading()
    found = Listing(answer.slots, answer.next_at, final=True, odd=answer.lacks("slots", "next_at"))
    return listed(page, found, _opens, _DAYS)


def _opens(visit: Visit, window: Covered) -> Ask:
    desk, (begin, end) = visit.parameters, utc_ends(window, visit.zone)
    asked = {"entityId": desk.entity, "medicalStaffId": desk.staff, "reasonId": desk.reason}
    body = asked | {"dateStart": begin, "dateEnd": end}
    return Ask(_SLOTS, "slots", "POST", json=body, headers=ACCEPT)
