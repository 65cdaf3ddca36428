"""Maiia: the closest availability first, with one request, then the weeks from it on. Times are UTC."""

from typing import Annotated, ClassVar
from urllib.parse import urlencode

from pydantic import AliasChoices, AliasPath, Field, StringConstraints

from configs.ground.strict_model import Strict
from crawler.parsing.dates import utc_ends
from crawler.parsing.json_calendar import Listing, read_listing
from crawler.parsing.json_models import (
    ACCEPT,
    Entries,
    Key,
    Moment,
    Number,
    Tolerant,
    origin,
    parse_json,
    slot_start_field,
)
from crawler.platforms import PAGE, Platform, match_address
from crawler.reading import CoveredWindow, Page, PageRequest, Reading, VisitContext

_API = "/api/pat-public"
_FIRST = AliasChoices("firstPhysicalStartDateTime", AliasPath("closestPhysicalAvailability", "startDateTime"))
_MOST = 500  # availabilities of one answer; a week with a larger total covers nothing


class MaiiaParameters(Strict):
    """`center`: Maiia's id of the place (24 hexadecimal digits); `reason`: the name of the procedure there."""

    center: Key
    reason: Annotated[str, StringConstraints(min_length=1, max_length=300)]


class _Week(Tolerant):
    items: Entries[Annotated[Moment, slot_start_field("startDateTime")]]
    total: Number = 0


class _Closest(Tolerant):
    count: Number = Field(0, alias="availabilityCount")
    first: Moment | None = Field(None, validation_alias=_FIRST)


class Maiia(Platform):
    """Maiia."""

    SYSTEM = "doctolib"
    EXAMPLE = "https://www.maiia.com/prefecture/75004-paris/guichet-des-titres"
    EXAMPLE_PARAMETERS: ClassVar = {"center": "0", "reason": "Remise de titre"}
    Parameters = MaiiaParameters

    def first_request(self, visit: VisitContext) -> PageRequest:
        """Return the request for the closest availability."""
        match_address(visit.url, PAGE, "Maiia", "<kind>/<town>/<name>")
        begin, _ = utc_ends(CoveredWindow(None, visit.today), visit.zone)
        return _ask(visit, "availability-closests", {"from": begin})

    def read_page(self, page: Page) -> Reading:
        """Read a week, or the closest availability."""
        if week := parse_json(page, _Week):
            found = Listing(week.items, total=week.total, odd=week.lacks("total"))
            return read_listing(page, found, _opens)
        if closest := parse_json(page, _Closest):
            total = None if closest.first else closest.count
            found = Listing((), closest.first, total, final=True, odd=closest.lacks("count"))
            return read_listing(page, found, _opens)
        return Reading()


def _opens(visit: VisitContext, window: CoveredWindow) -> PageRequest:
    begin, end = utc_ends(window, visit.zone)
    return _ask(visit, "availabilities", {"from": begin, "to": end, "limit": str(_MOST), "page": "0"})


def _ask(visit: VisitContext, what: str, asked: dict[str, str]) -> PageRequest:
    place = {"centerId": visit.parameters.center, "consultationReasonName": visit.parameters.reason}
    return PageRequest(f"{origin(visit.url)}{_API}/{what}?{urlencode(place | asked)}", what, headers=ACCEPT)
