"""Citopia (rendezvousonline.fr): a session first, then the weeks of a structure. Hours are local wall clocks."""

import json
from collections.abc import Mapping
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from pydantic import Field
from w3lib.url import url_query_parameter

from configs.ground.strict_model import Strict
from crawler.parsing.date_windows import instant_of
from crawler.parsing.json_calendar import Listing, WindowRequest, first_window, read_listing
from crawler.parsing.json_models import (
    ACCEPT,
    Day,
    Id,
    JsonModel,
    OrNone,
    Wall,
    day_in,
    days_in,
    moments_of,
    origin,
    parse_json,
)
from crawler.parsing.no_slot_phrases import says_none
from crawler.parsing.url_patterns import PAGE, match_address
from crawler.platform_base import Platform
from crawler.reading import CoveredWindow, Outcome, Page, PageRequest, Reading, VisitContext

_DAYS = 7
_SESSION = "session_id"


class CitopiaParameters(Strict):
    """Citopia's numbers of the structure and the reason, and the number of people."""

    structure: Id
    reason: Id
    people: Id = 1


class _Session(JsonModel):
    session_id: Annotated[str, Field(min_length=1, max_length=200)]


class _Message(JsonModel):
    message: str


class _Hour(JsonModel, extra="allow"):
    free: bool = Field(alias="is_visible")
    start: OrNone[Wall] = Field(None, alias="start_at")


class _Day(JsonModel):
    date: OrNone[Day] = None
    availabilities: list[OrNone[_Hour]]


class Citopia(Platform):
    """Citopia (rendezvousonline.fr)."""

    SYSTEM = "custom"
    COST = 2  # the session, the first week
    EXAMPLE = "https://rendezvousonline.fr/alias/exemple-75004"
    EXAMPLE_PARAMETERS: ClassVar = {"structure": 1, "reason": 1}
    Parameters = CitopiaParameters

    def first_request(self, visit: VisitContext) -> PageRequest:
        """Return the request for a session, without which no week is shown."""
        match_address(visit.url, PAGE, "Citopia", "alias/<name>")
        return PageRequest(f"{_api(visit)}/auth/session", "session", headers=ACCEPT)

    def read_page(self, page: Page) -> Reading:
        """Read a session, a week, or a message that nothing is free."""
        if session := parse_json(page, _Session):
            week = first_window(page.visit, _opens(session.session_id), _DAYS)
            return Reading(reason="a session has begun", asks=(week,))
        opens = _opens(url_query_parameter(page.ask.url, _SESSION) or "")
        if message := parse_json(page, _Message):
            if says_none(message.message) and not days_in(page):
                return read_listing(page, Listing(), opens, _DAYS)
            return Reading(Outcome.UNREADABLE, f"says {message.message[:200]!r}")
        days = parse_json(page, dict[str, OrNone[_Day]]) or _number_days(parse_json(page, list[OrNone[_Day]]))
        return read_listing(page, _listing(page, days), opens, _DAYS) if days else Reading()


def _number_days(days: list[_Day | None] | None) -> dict[str, _Day | None]:
    """Return a week in the form of a list, whose days contain their dates."""
    return {str(number): day for number, day in enumerate(days or [])}


def _listing(page: Page, days: Mapping[str, _Day | None]) -> Listing:
    """Return the content of a week; an unreadable day is one moment None."""
    hours = [hour for day in days.values() if day for hour in day.availabilities]
    taken = [hour for hour in hours if hour and not hour.free]
    free = [hour for hour in hours if not hour or hour.free]
    moments = [instant_of(hour.start, page.visit.zone) if hour and hour.start else None for hour in free]
    shown = [day and (day.date or day_in(name)) for name, day in days.items()]
    known = [day for day in shown if day]
    odd = [None] * (len(shown) - len(known))
    return Listing(
        [*moments, *odd],
        begins=min(known, default=None),
        last=max(known, default=None),
        others=sum(map(moments_of, taken)),
    )


def _opens(session: str) -> WindowRequest:
    def ask(visit: VisitContext, window: CoveredWindow) -> PageRequest:
        desk = visit.parameters
        reasons = json.dumps({f"{desk.reason}": desk.people}, separators=(",", ":"))
        asked = {_SESSION: session, "reasons": reasons, "date": window.first, "direction": 1}
        where = f"{_api(visit)}/structures/{desk.structure}/availabilities/week"
        return PageRequest(f"{where}?{urlencode(asked)}", "week", headers=ACCEPT)

    return ask


def _api(visit: VisitContext) -> str:
    return origin(visit.url).replace("//rendezvousonline.", "//pro.rendezvousonline.") + "/api-web"
