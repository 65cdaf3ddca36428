"""Avecmondoc: a place's slots day by day, taken ones too, and the next availability behind them. Times are UTC."""

from typing import Literal

from pydantic import Field

from configs.strict import Strict
from crawler.parsing.answers import ACCEPT, Answer, Id, Instant, OrNone, parsed
from crawler.parsing.calendars import day_of, utc_ends
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


class _Hours(Answer):
    start: Instant


class _Slot(Answer):
    free: bool = Field(alias="isAvailable")
    hours: OrNone[_Hours] = Field(None, alias="businessHours")


class _Day(Answer):
    start: Instant
    end: Instant
    slots: list[OrNone[_Slot]]


class _Next(Answer):
    soon: bool = Field(alias="nextAvailableBusinessHourInCurrentWeek")
    next_at: _Hours | Literal[False] = Field(alias="nextAvailableBusinessHour")


def first(visit: Visit) -> Ask:
    """Ask for the days from today on."""
    return first_window(visit, _opens, _DAYS)


def read(page: Page) -> Reading:
    """Read some days."""
    answer = parsed(page, list[_Day | _Next])
    if not answer:
        return Reading()
    days = [each for each in answer if isinstance(each, _Day)]
    behind = [each for each in answer if isinstance(each, _Next)]
    slots = [slot for day in days for slot in day.slots if not slot or slot.free]
    taken = [slot for day in days for slot in day.slots if slot and not slot.free and slot.hours]
    found = Listing(
        [slot.hours.start if slot and slot.hours else None for slot in slots],
        next_at=next((each.next_at.start for each in behind if each.next_at), None),
        last=max((day_of(day.start, page.visit.zone) for day in days), default=None),
        final=any(not each.soon for each in behind),
        others=2 * (len(days) + len(taken)),
    )
    return listed(page, found, _opens, _DAYS)


def _opens(visit: Visit, window: Covered) -> Ask:
    begin, end = utc_ends(window, visit.zone)
    body = {
        "consultationReasonId": visit.parameters.reason,
        "organizationId": visit.parameters.organization,
        "periodStart": begin,
        "periodEnd": end,
        "type": "inOffice",
        "fullDisplay": True,
        "disabledPeriods": [],
    }
    return Ask(_PER_DAY, "days", "POST", json=body, headers=ACCEPT)
