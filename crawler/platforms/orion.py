"""ESII Orion: one search over all watched days, a page of slots at a time.

The fields of its `daySlots` are not documented. A day with any content is an open desk, and a moment is read only if
it is unambiguous. `purposes` and the ids are those of the page itself, captured once by an operator.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, ClassVar
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field

from configs.ground.strict_model import Strict
from configs.ground.text import pluralize
from crawler.parsing.dates import count_days
from crawler.parsing.json_calendar import Listing, WindowRequest, first_window, read_listing
from crawler.parsing.json_models import (
    Captured,
    Id,
    JsonModel,
    Key,
    as_from,
    combine_answers,
    moment_of,
    origin,
    parse_json,
    parse_local_datetime,
)
from crawler.platforms import Platform
from crawler.reading import ANYWHERE, CoveredWindow, Outcome, Page, PageRequest, Reading, Slot, VisitContext

_SEARCH = "/orion/api/1/rdv/bookings/availableSlotByDay"
_PER_PAGE = 100
_MOST_DAYS = 1000
_WHERE = f"copy it from the body that the page itself posts to {_SEARCH} (docs/platforms/orion.md)"


class OrionParameters(Strict):
    """Values that the page itself posts: `config` is its configId, `duration` is in minutes."""

    config: Key = Field(description=_WHERE)
    purposes: Annotated[tuple[Captured, ...], Field(min_length=1, description=_WHERE)]
    duration: Id = Field(description=_WHERE)


class _Days(JsonModel):
    days: list[Any] = Field(alias="daySlots")


class Orion(Platform):
    """ESII Orion."""

    SYSTEM = "custom"
    EXAMPLE = (
        "https://esii-orion.com/orion-reservation/slots?account=EXEMPLE&config=REMISE&usemode=app&code=P1"
    )
    EXAMPLE_PARAMETERS: ClassVar = {"config": "0", "purposes": [{"id": "0"}], "duration": 20}
    ADDRESS = re.compile(r"https?://[^/?#]+/orion-reservation/slots(?:\?\S*)?$")
    Parameters = OrionParameters

    def first_request(self, visit: VisitContext) -> PageRequest:
        """Return the request for the first page of the search."""
        if "account" not in parse_qs(urlsplit(visit.url).query):
            raise ValueError(
                f"{visit.url} is no Orion address: it must be https://<site>/<page>?account=<account>"
            )
        return _page(visit, 0)

    def read_page(self, page: Page) -> Reading:
        """Read one page of slots; a full page leads to the next."""
        if not (answer := parse_json(page, _Days)):
            return Reading()
        if len(answer.days) > _MOST_DAYS:
            return Reading(Outcome.UNREADABLE, f"lists {len(answer.days)} days, which no page does")
        days, found = answer.days, [each for day in answer.days for each in moments_of(day, page.visit.zone)]
        if any(found) or not days:
            reading = read_listing(page, Listing(tuple(dict.fromkeys(found))), None)
        elif any(map(holds, days)):
            reading = Reading(Outcome.SLOTS, "open; no moment in it is sure", (Slot(ANYWHERE, None),))
        else:
            reading = Reading(Outcome.UNREADABLE, f"lists {pluralize(len(days), 'day')} and nothing in them")
        full = max(len(days), len(found)) >= _PER_PAGE
        return combine_answers(page, reading, _page(page.visit, page.ask.rank + 1) if full else None)


def _page(visit: VisitContext, number: int) -> PageRequest:
    return first_window(visit, _search(number), rank=number, days=visit.horizon.days + 1)


def _search(number: int) -> WindowRequest:
    def ask(visit: VisitContext, window: CoveredWindow) -> PageRequest:
        page, desk = parse_qs(urlsplit(visit.url).query), visit.parameters
        places = {"filterPlaceCode": page.get("code", []), "filterPlaceUrlCode": page.get("code", [])}
        body = {
            "date": None,
            "numberOfDay": count_days(window),
            "accountId": page["account"][0],
            "configId": desk.config,
            "purposes": list(desk.purposes),
            "duration": desk.duration,
            "filterRequest": {"filterChannel": ["PHYSICAL"], "filterDay": [1, 2, 3, 4, 5], **places},
            "maxElement": f"{_PER_PAGE}",
            "indexPagination": number + 1,
            "slotsPerPage": _PER_PAGE,
        }
        return PageRequest(
            origin(visit.url) + _SEARCH, "slots", "POST", json=body, headers=as_from(visit.url)
        )

    return ask


# Moments in JSON with undocumented fields are read only if they are unambiguous.
_BEGINS = re.compile(r"(?i)date|day|(?:start|begin)\w*")  # keys that may hold a slot's moment
_ENDS = re.compile(r"(?i)end\w*")
_DATED = re.compile(r"\d{4}-\d\d-\d\d")
_FREE = re.compile(
    r"(?i)(?:is_?)?(?:available|free|open|bookable|enabled|remaining|left|capacity)(?:_?(?:slots?|count|places?))?"
)
_TAKEN = re.compile(r"(?i)(?:is_?)?(?:full|closed|booked|reserved|taken|disabled|unavailable)")


def holds(entry: Any) -> bool:
    """Tell whether an entry of a list of free days has any content.

    Entries with empty lists only, entries that are marked as not free, and entries with only a date have none.
    """
    if not isinstance(entry, dict) or _is_taken(entry):
        return False
    lists = [each for each in entry.values() if isinstance(each, list)]
    if lists:
        return any(each and not _is_taken(each) for inner in lists for each in inner)
    beside = [value for key, value in entry.items() if not _BEGINS.fullmatch(key)]
    return any(beside) if beside else bool(entry)


def moments_of(entry: Any, zone: ZoneInfo) -> list[date | None]:
    """Return an entry's instants (UTC), else its date, and None for moments that are ambiguous or unreadable."""
    found = list(_find_moments("", entry, zone)) if holds(entry) else []
    instants = [each for each in found if isinstance(each, datetime)]
    sure: list[date | None] = [*(instants or filter(None, found))]
    return sure if sure and None not in found else [*sure, None]


def sure_moment(value: Any, zone: ZoneInfo) -> date | None:
    """Return the meaning of a moment that holds for any reading of its offset; None if there is none.

    It is an instant (UTC) if the offset is the zone's and the time is no midnight. Otherwise it is the date, if the
    written clock has the same date as the zone's clock at that instant (without an offset: UTC).
    """
    written = _parse_as_written(value)
    if not isinstance(written, datetime):
        return written
    meant = (written if written.tzinfo else written.replace(tzinfo=UTC)).astimezone(zone)
    if written.tzinfo and meant.utcoffset() == written.utcoffset() and meant.time() != time.min:
        return meant.astimezone(UTC)
    return meant.date() if meant.date() == written.date() else None


def _is_taken(node: Any) -> bool:
    """Tell whether an object is marked as not free."""
    return isinstance(node, dict) and any(
        (_FREE.fullmatch(key) and value in (False, 0))
        or (_TAKEN.fullmatch(key) and value is True)
        or (key.lower() in ("status", "state") and isinstance(value, str) and _TAKEN.fullmatch(value))
        for key, value in node.items()
    )


def _parse_as_written(value: Any) -> date | None:
    """Return a moment with its written offset: a date, a wall clock, or an instant."""
    for read in (parse_local_datetime, moment_of):
        try:
            found = read(value)
        except ValueError:
            continue
        return datetime.fromisoformat(value) if isinstance(found, datetime) else found
    return None


def _find_moments(key: str, node: Any, zone: ZoneInfo) -> Iterator[date | None]:
    if _is_taken(node):
        yield None
    elif isinstance(node, dict):
        for inner, value in node.items():
            yield from _find_moments(inner, value, zone)
    elif isinstance(node, list):
        for each in node:
            yield from _find_moments(key, each, zone)
    elif _BEGINS.fullmatch(key):
        yield sure_moment(node, zone)
    elif isinstance(node, str) and _DATED.search(node) and not _ENDS.fullmatch(key):
        yield None
