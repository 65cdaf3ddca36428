"""Citopia (rendezvousonline.fr): a session first, then the weeks of a structure. Hours are local wall clocks.

A desk is one town hall, or a department: then its town halls are listed, and their weeks asked for in turn.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote, urlencode

from pydantic import Field, model_validator
from w3lib.url import url_query_parameter

from configs.ground.strict_model import Strict
from configs.ground.text import pluralize
from configs.world.tile_grid import load_tiles
from crawler.parsing.dates import WEEK_LENGTH, instant_of, week
from crawler.parsing.json_calendar import Listing, WindowRequest, first_window, read_listing
from crawler.parsing.json_models import (
    ACCEPT,
    Day,
    Id,
    JsonModel,
    Key,
    OrNone,
    Wall,
    contains_day,
    count_moments_of,
    day_in,
    origin,
    parse_json,
)
from crawler.parsing.no_slot_phrases import says_none
from crawler.parsing.normal_form import fold
from crawler.platforms import PAGE, Platform, match_address
from crawler.reading import CoveredWindow, Outcome, Page, PageRequest, Place, Reading, VisitContext

_SERVICE = "Carte Nationale d'Identité (CNI) et Passeport"

_SESSION = "session_id"
_HALLS = 10  # of a department: the first of its page, which has hours soonest
_FIRST = 2  # requests of a visit to a department before its first week: the session and the list
_SEARCH = {"reasons_number": "{}", "sort": "asap", "page": 1, "per_page": 50}
_APPLY = re.compile(r"depot|demande")  # other hours are for collecting a paper
_PASSPORT, _CARD = re.compile(r"passeport"), re.compile(r"\bcni\b|identite")
_PAPERS = {"passport": (_PASSPORT,), "identity_card": (_CARD,), "both": (_PASSPORT, _CARD)}
_HOLDS = re.compile(r"/availabilities/(un)?lock\b")
_POST_CODE = re.compile(r"(?<!\d)\d{5}(?!\d)")
_CORSICA = {"200": "2A", "201": "2A", "202": "2B", "206": "2B"}  # by the first figures of post codes


class Point(Strict):
    """A point to search around, in degrees (WGS 84)."""

    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]


class CitopiaParameters(Strict):
    """One town hall: Citopia's numbers of the structure and the reason. Or a department: what people come for.

    A department's town halls are searched `radius_km` around `position`, by default around its chef-lieu.
    """

    structure: Id | None = None
    reason: Id | Literal["passport", "identity_card", "both"]
    people: Id = 1
    department_code: Annotated[str, Field(pattern=r"^(\d{2,3}|2[AB])$")] | None = None
    position: Point | None = None
    radius_km: Annotated[int, Field(strict=True, ge=1, le=150)] = 150

    @model_validator(mode="after")
    def _one_or_all(self) -> "CitopiaParameters":
        if (self.structure is None) == (self.department_code is None):
            raise ValueError("name either structure or department_code")
        if isinstance(self.reason, int) != (self.department_code is None):
            raise ValueError("reason is a number beside structure, and words beside department_code")
        if self.department_code and self.department_code not in load_tiles():
            raise ValueError(f"department_code {self.department_code} is no department's")
        return self


class _Session(JsonModel):
    session_id: Annotated[str, Field(min_length=1, max_length=200)]


class _Message(JsonModel):
    message: str


class _Reason(JsonModel):
    id: int
    name: str


class _Hall(JsonModel):
    id: int
    name: Annotated[str, Field(max_length=300)]
    alias: Key
    reasons: list[OrNone[_Reason]]


class _Halls(JsonModel):
    results: Annotated[list[OrNone[_Hall]], Field(max_length=1_000)]


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
    OPEN_COST = 6  # weeks of a calendar, or of town halls, are asked for in turn
    EXAMPLE = "https://rendezvousonline.fr/alias/exemple-75004"
    EXAMPLE_PARAMETERS: ClassVar = {"structure": 1, "reason": 1}
    Parameters = CitopiaParameters

    def first_request(self, visit: VisitContext) -> PageRequest:
        """Return the request for a session, without which no week is shown."""
        if not visit.parameters.department_code:
            match_address(visit.url, PAGE, "Citopia", "alias/<name>")
        elif not (visit.parameters.position or visit.position):
            raise ValueError("nowhere to search around: name a position")
        return PageRequest(f"{_api(visit)}/auth/session", "session", headers=ACCEPT)

    def read_page(self, page: Page) -> Reading:
        """Read a session, a list of town halls, a week, or a message that nothing is free."""
        desk: CitopiaParameters = page.visit.parameters
        if session := parse_json(page, _Session):
            ask = (
                _search_halls(page.visit, session.session_id)
                if desk.department_code
                else first_window(page.visit, _opens(session.session_id))
            )
            return Reading(reason="a session has begun", asks=(ask,))
        if desk.department_code and (found := parse_json(page, _Halls)):
            return _read_halls(page, found)
        opens = _opens(url_query_parameter(page.ask.url, _SESSION) or "")
        reading = _read_week(page, None if desk.department_code else opens)
        if not desk.department_code:
            return reading
        link = f"{origin(page.visit.url)}/alias/{page.ask.place.key}"
        return replace(reading, slots=tuple(replace(slot, url=link) for slot in reading.slots))

    def is_forbidden(self, url: str, method: str) -> bool:  # noqa: ARG002
        """Tell whether this request holds an hour for a person, or lets one go."""
        return _HOLDS.search(url) is not None

    def count_round(self, visit: VisitContext, places: int | None) -> int:
        """Return the visits in which every week of a department's town halls is asked for once."""
        if not visit.parameters.department_code:
            return 1
        halls = min(places or _HALLS, _HALLS)
        return ceil(halls * len(_list_weeks(visit, Place())) / _weeks_of(visit))


def department_of(alias: str) -> str:
    """Return the department of the post code in a town hall's name (`poitiers-86000`); empty without one."""
    code = next(iter(_POST_CODE.findall(alias)), "")
    return _CORSICA.get(code[:3]) or (code[:3] if code.startswith("97") else code[:2])


def _search_halls(visit: VisitContext, session: str) -> PageRequest:
    """Request the town halls around the department's point. The answer's step is the session of their weeks."""
    desk: CitopiaParameters = visit.parameters
    latitude, longitude = (
        (desk.position.latitude, desk.position.longitude) if desk.position else visit.position or (0, 0)
    )
    around = f"{desk.department_code}/{latitude}/{longitude}"
    query = urlencode({**_SEARCH, "radius": desk.radius_km})
    return PageRequest(
        f"{_api(visit)}/search-structures/{quote(_SERVICE)}/{around}?{query}", session, headers=ACCEPT
    )


def _read_halls(page: Page, found: _Halls) -> Reading:
    """Request the weeks of the department's town halls, in turn. No list proves that there is none."""
    desk: CitopiaParameters = page.visit.parameters
    own = [hall for hall in found.results if hall and department_of(hall.alias) == desk.department_code]
    chosen = {hall.alias: (hall, reasons) for hall in own if (reasons := _choose(hall, f"{desk.reason}"))}
    halls = [chosen[alias] for alias in sorted(list(chosen)[:_HALLS])]  # in an order that stays
    listed = f"lists {pluralize(len(found.results), 'town hall')}, {len(own)} of the department"
    asks = [
        replace(_ask_week(page.visit, page.ask.step, hall.id, reasons, week), place=place, window=week)
        for hall, reasons in halls
        for place in (Place(hall.alias, hall.name),)
        for week in _list_weeks(page.visit, place)
    ]
    if not asks:
        return Reading(Outcome.UNREADABLE, f"{listed}, none of them with hours for {desk.reason}")
    # Each round begins one week earlier, so that no week is always the last, which a visit may not reach.
    turn, weeks = page.visit.turn, _weeks_of(page.visit)
    begin = turn * weeks - turn // ceil(len(asks) / weeks)
    ranked = tuple(replace(ask, rank=(number - begin) % len(asks)) for number, ask in enumerate(asks))
    return Reading(reason=listed, asks=ranked)


def _choose(hall: _Hall, wanted: str) -> list[int]:
    """Return the numbers of a town hall's reasons for what people come for; none where it has no such hours.

    For both papers that is its `double` reason, else one reason for each paper.
    """
    names = [(each.id, fold(each.name)) for each in hall.reasons if each and _APPLY.search(fold(each.name))]
    double = [number for number, name in names if "double" in name]
    if wanted == "both" and double:
        return double[:1]
    found = {
        paper: number
        for number, name in reversed(names)
        if number not in double
        for paper in _PAPERS[wanted]
        if paper.search(name)
    }
    numbers = [found[paper] for paper in _PAPERS[wanted] if paper in found]
    return numbers if len(set(numbers)) == len(_PAPERS[wanted]) else []


def _weeks_of(visit: VisitContext) -> int:
    """Return how many weeks a visit to a department asks for."""
    return max(1, visit.requests - _FIRST)


def _list_weeks(visit: VisitContext, place: Place) -> list[CoveredWindow]:
    return [week(visit, place, ahead) for ahead in range(0, visit.horizon.days + 1, WEEK_LENGTH)]


def _read_week(page: Page, opens: WindowRequest | None) -> Reading:
    if message := parse_json(page, _Message):
        if says_none(message.message) and not contains_day(page):
            return read_listing(page, Listing(), opens)
        return Reading(Outcome.UNREADABLE, f"says {message.message[:200]!r}")
    days = parse_json(page, dict[str, OrNone[_Day]])
    if listed := parse_json(page, list[OrNone[_Day]]):
        days = {f"{number}": day for number, day in enumerate(listed)}  # their dates stand inside
    return read_listing(page, _listing(page, days), opens) if days else Reading()


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
        others=sum(map(count_moments_of, taken)),
    )


def _opens(session: str) -> WindowRequest:
    def ask(visit: VisitContext, window: CoveredWindow) -> PageRequest:
        desk: CitopiaParameters = visit.parameters
        return _ask_week(visit, session, desk.structure, [desk.reason], window)

    return ask


def _ask_week(
    visit: VisitContext, session: str, structure: Any, reasons: Sequence[object], window: CoveredWindow
) -> PageRequest:
    people = json.dumps(dict.fromkeys(map(str, reasons), visit.parameters.people), separators=(",", ":"))
    asked = {_SESSION: session, "reasons": people, "date": window.first, "direction": 1}
    where = f"{_api(visit)}/structures/{structure}/availabilities/week"
    return PageRequest(f"{where}?{urlencode(asked)}", "week", headers=ACCEPT)


def _api(visit: VisitContext) -> str:
    return origin(visit.url).replace("//rendezvousonline.", "//pro.rendezvousonline.") + "/api-web"
