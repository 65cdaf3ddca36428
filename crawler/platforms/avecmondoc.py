"""Avecmondoc: a place's slots day by day, taken ones too, and the next availability behind them. Times are UTC."""

from typing import Literal

from pydantic import Field

from configs.strict import Strict
from crawler.parsing.answers import ACCEPT, Answer, Id, Instant, Moment, OrNone, Tolerant, moments_of, parsed
from crawler.parsing.calendars import day_of, utc_ends
from crawler.parsing.entries import Entries, flat
from crawler.parsing.listing import Listing, first_window, listed
from crawler.reading import Ask, Covered, Page, Reading, Visit

SYSTEM = "doctolib"
EXAMPLE = "https://patient.avecmondoc.com/fiche/structure/exemple"
HOSTS = ("avecmondoc.com",)
EXAMPLE_PARAMETERS = {"organization": 1, "reason": 1}

_PER_DAY = "https://api.avecmondoc.com/api/BusinessHours/availabilitiesPerDay"
_DAYS = 7


class Parameters(Strict):
    """Avecmondoc's numbers of the place and of what people come for."""

    organization: Id
    reason: Id


class _Hours(Answer, extra="allow"):
    start: Moment


class _Slot(Answer, extra="allow"):
    free: bool = Field(alias="isAvailable")
    hours: OrNone[_Hours] = Field(None, alias="businessHours")


class _Day(Answer):
    start: Instant
    end: Instant
    slots: Entries[_Slot]


class _Next(Tolerant):
    soon: bool = Field(default=True, alias="nextAvailableBusinessHourInCurrentWeek")
    next_at: _Hours | Literal[False] = Field(default=False, alias="nextAvailableBusinessHour")


def first(visit: Visit) -> Ask:
    """Ask for the days from today on."""
    return first_window(visit, _opens, _DAYS)


def read(page: Page) -> Reading:
    """Read some days."""
    answer = parsed(page, Entries[_Day | _Next])
    if not answer or not any(answer):
        return Reading()
    days = [each for each in answer if not isinstance(each, _Next)]
    behind = [each for each in answer if isinstance(each, _Next)]
    slots = flat(day.slots if day else None for day in days)
    taken = [slot for slot in slots if slot and not slot.free]
    free = [slot.hours.start if slot and slot.hours else None for slot in slots if not slot or slot.free]
    now = page.ask.window is None or page.ask.window.first == page.visit.today
    found = Listing(
        free,
        next_at=next((each.next_at.start for each in behind if each.next_at), None),
        last=max((day_of(day.start, page.visit.zone) for day in days if day), default=None),
        final=any(not each.soon for each in behind),
        others=2 * len(days) + sum(map(moments_of, taken)),
        odd=any(each.lacks("soon", "next_at") or (now and each.soon and not free) for each in behind),
    )
    return listed(page, found, _opens, _DAYS)


def _opens(visit: Visit, window: Covered) -> Ask:
    desk, (begin, end) = visit.parameters, utc_ends(window, visit.zone)
    where = {"organizationId": desk.organization, "consultationReasonId": desk.reason, "type": "inOffice"}
    days = {"periodStart": begin, "periodEnd": end, "fullDisplay": True, "disabledPeriods": []}
    return Ask(_PER_DAY, "days", "POST", json=where | days, headers=ACCEPT)
