"""Maiia: the closest availability first, a hint that costs one request, then the weeks from it on. Times are UTC."""

from typing import Annotated
from urllib.parse import urlencode

from pydantic import Field, StringConstraints

from configs.strict import Strict
from crawler.parsing.answers import ACCEPT, Answer, Instant, Key, OrNone, origin, parsed
from crawler.parsing.calendars import utc_ends
from crawler.parsing.listing import Listing, listed
from crawler.parsing.shapes import PAGE, shaped
from crawler.reading import Ask, Covered, Page, Reading, Visit

SYSTEM = "doctolib"
EXAMPLE = "https://www.maiia.com/prefecture/75004-paris/guichet-des-titres"
EXAMPLE_PARAMETERS = {"center": "0", "reason": "Remise de titre"}

_DAYS = 7
_API = "/api/pat-public"
_MOST = 500  # availabilities of one answer; a week that has more covers nothing, for its total says so


class Parameters(Strict):
    """`center`: Maiia's id of the place (24 hexadecimal digits); `reason`: the name of what people come for."""

    center: Key
    reason: Annotated[str, StringConstraints(min_length=1, max_length=300)]


class _Item(Answer):
    start: Instant = Field(alias="startDateTime")


class _Week(Answer):
    items: list[OrNone[_Item]]
    total: int


class _Closest(Answer):
    count: int = Field(alias="availabilityCount")
    first: Instant | None = Field(None, alias="firstPhysicalStartDateTime")


def first(visit: Visit) -> Ask:
    """Ask for the closest availability."""
    shaped(visit.url, PAGE, "Maiia", "<kind>/<town>/<name>")
    begin, _ = utc_ends(Covered(None, visit.today), visit.zone)
    return _ask(visit, "availability-closests", {"from": begin})


def read(page: Page) -> Reading:
    """Read a week, or the hint that leads to it."""
    if week := parsed(page, _Week):
        moments = [item.start if item else None for item in week.items]
        return listed(page, Listing(moments, total=week.total), _opens, _DAYS)
    if closest := parsed(page, _Closest):
        found = Listing(next_at=closest.first, total=None if closest.first else closest.count, final=True)
        return listed(page, found, _opens, _DAYS)
    return Reading()


def _opens(visit: Visit, window: Covered) -> Ask:
    begin, end = utc_ends(window, visit.zone)
    return _ask(visit, "availabilities", {"from": begin, "to": end, "limit": str(_MOST), "page": "0"})


def _ask(visit: Visit, what: str, asked: dict[str, str]) -> Ask:
    place = {"centerId": visit.parameters.center, "consultationReasonName": visit.parameters.reason}
    return Ask(f"{origin(visit.url)}{_API}/{what}?{urlencode(place | asked)}", what, headers=ACCEPT)
