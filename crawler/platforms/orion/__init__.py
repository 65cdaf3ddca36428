"""ESII Orion: one search over all watched days, a page of slots at a time.

The fields of its `daySlots` are not documented. A day with any content is an open desk, and a moment is read only if
it is unambiguous. `purposes` and the ids are those of the page itself, captured once by an operator.
"""

import re
from typing import Annotated, Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from pydantic import Field

from configs.ground.formatting import pluralize
from configs.ground.strict_model import Strict
from crawler.parsing.combined_answers import combine_answers
from crawler.parsing.date_windows import days_of
from crawler.parsing.json_calendar import Listing, WindowRequest, first_window, read_listing
from crawler.parsing.json_models import Captured, Id, JsonModel, Key, as_from, origin, parse_json
from crawler.platform_base import Platform
from crawler.platforms.orion.untyped_dates import holds, moments_of
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
    return first_window(visit, _search(number), visit.horizon.days + 1, rank=number)


def _search(number: int) -> WindowRequest:
    def ask(visit: VisitContext, window: CoveredWindow) -> PageRequest:
        page, desk = parse_qs(urlsplit(visit.url).query), visit.parameters
        places = {"filterPlaceCode": page.get("code", []), "filterPlaceUrlCode": page.get("code", [])}
        body = {
            "date": None,
            "numberOfDay": days_of(window),
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
