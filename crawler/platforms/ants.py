"""ANTS, the national search for passport and identity card slots: one answer for all town halls of an area.

A socket's answer ends with the number of editors that failed, without those that never answered; the plain list has
no such number. So an absence of slots is always doubtful.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from configs.ground.addresses import is_loopback
from configs.ground.strict_model import Strict
from configs.world.tile_grid import load_tiles
from crawler.parsing.dates import instant_of
from crawler.parsing.error_pages import error_message
from crawler.parsing.json_models import ACCEPT, FalseUtc, JsonModel, Link, OrNone, combine_answers, parse_json
from crawler.parsing.normal_form import normalize
from crawler.parsing.websocket_frames import frames_of, read_unended
from crawler.platforms import Platform
from crawler.reading import CoveredWindow, Outcome, Page, PageRequest, Place, Reading, Slot, VisitContext

_EXAMPLE = "https://rendezvouspasseport.ants.gouv.fr/"

_TOKEN = {"X-HUB-RDV-AUTH-TOKEN": "ants_token"}
_LIST, _SOCKET, _END = "/api/SlotsFromPosition", "/api/SlotsFromPositionStreaming", "end_of_search"
_REFUSAL = b'"li_status"'
_HEARD = (_END.encode(), _REFUSAL)  # words in answers of a socket only
_DOUBT = "editors that failed are not counted here"
_SMALLEST = 0.99  # km, taken by the socket only
_RADII = (_SMALLEST, 5, 10, 15, 20, 25, 30)  # km
_NO_HOURS = re.compile(rb'"available_slots": *\[ *\]')
_LISTED_WITHOUT = "town halls without an hour are listed, which a search does not do"


class Position(Strict):
    """A point to search around, in degrees (WGS 84).

    By socket it needs an `address` in the site's form (`Lille 59000`), but not in a search for a department.
    """

    longitude: Annotated[float, Field(ge=-180, le=180)]
    latitude: Annotated[float, Field(ge=-90, le=90)]
    address: Annotated[str, Field(pattern=r"^\D+ \d{5}$", max_length=100)] | None = None


class AntsParameters(Strict):
    """The search of a desk: a department (by socket only), or an area around each of its positions.

    A department's search finds town halls within 100 km of its positions, by default of its chef-lieu.
    """

    reason: Literal["CNI", "PASSPORT", "CNI-PASSPORT"] = "CNI-PASSPORT"
    documents_number: Annotated[int, Field(strict=True, ge=1, le=5)] = 1
    department_code: Annotated[str, Field(pattern=r"^(\d{2,3}|2[AB])$")] | None = None
    positions: Annotated[tuple[Position, ...], Field(max_length=10)] = ()
    radius_km: float = 30
    streaming: bool = True

    @field_validator("radius_km")
    @classmethod
    def _known_radius(cls, radius: float) -> float:
        if radius not in _RADII:
            raise ValueError(f"must be one of {', '.join(map(str, _RADII))}: the server takes no other")
        return radius

    @model_validator(mode="after")
    def _one_area(self) -> "AntsParameters":
        if not self.positions and not self.department_code:
            raise ValueError("name department_code or positions")
        if self.radius_km == _SMALLEST and not self.streaming:
            raise ValueError(f"radius_km {_SMALLEST} is taken by socket only: leave `streaming: false` out")
        if self.department_code and not self.streaming:
            raise ValueError("department_code is understood by socket only: leave `streaming: false` out")
        if self.department_code and self.department_code not in load_tiles():
            raise ValueError(f"department_code {self.department_code} is no department's")
        if self.streaming and not self.department_code and not all(each.address for each in self.positions):
            raise ValueError(
                "by socket each position needs an address (`Lille 59000`); or say `streaming: false`"
            )
        return self


class _Meeting(JsonModel):
    datetime: FalseUtc
    callback_url: OrNone[Link] = None


class _Hall(JsonModel):
    id: Annotated[str, Field(min_length=1, max_length=100)] | int
    name: OrNone[Annotated[str, Field(max_length=300)]] = None
    public_entry_address: OrNone[Annotated[str, Field(max_length=300)]] = None
    zip_code: OrNone[Annotated[str, Field(max_length=20)] | int] = None
    city_name: OrNone[Annotated[str, Field(max_length=300)]] = None
    available_slots: Annotated[list[OrNone[_Meeting]], Field(max_length=20_000)]

    @property
    def place(self) -> Place:
        """The town hall's place: its number changes with each of the server's daily collections, two may share one."""
        name = self.name or self.public_entry_address
        known = (
            (name, self.zip_code, self.city_name) if name else (f"{self.id}", self.zip_code, self.city_name)
        )
        key = " / ".join(normalize(f"{each}") for each in known if each)
        return Place(key, ", ".join(filter(None, (self.name, self.city_name))) or None)


class _EndFrame(JsonModel):
    step: Literal["end_of_search"]
    editors_number: Annotated[int, Field(ge=0)]
    editor_errors_number: Annotated[int, Field(ge=0)]


class _Refusal(JsonModel):
    status: Literal["error"] = Field(alias="li_status")
    message: str = Field("", alias="li_message")


_Halls = Annotated[list[OrNone[_Hall]], Field(max_length=5_000)]


class Ants(Platform):
    """The national search for passport and identity card slots."""

    SYSTEM = "ants"
    BUDGET = 30  # the server's own limit for one address
    EXAMPLE = _EXAMPLE
    EXAMPLE_PARAMETERS: ClassVar = {
        "positions": [{"longitude": 2.3522, "latitude": 48.8566}],
        "streaming": False,
    }
    Parameters = AntsParameters

    def first_request(self, visit: VisitContext) -> PageRequest:
        """Return the search for the department, or around the first position."""
        return _ask(visit, 0)

    def read_page(self, page: Page) -> Reading:
        """Read a list or the frames of a socket; each position leads to the next."""
        if page.is_error:
            return _read_refusal(page)
        heard = _SOCKET in page.url or any(word in page.body for word in _HEARD)  # the latter for saved files
        reading = _read_frames(page) if heard else _read_lists(page, [page], doubt=_DOUBT)
        # The server counts no editor that was silent: what one answer lacks may be there.
        covered = tuple(replace(each, doubtful=True) for each in reading.covered)
        reading = replace(reading, covered=covered)
        more = page.ask.rank + 1 < len(_points(page.visit))
        return combine_answers(page, reading, _ask(page.visit, page.ask.rank + 1) if more else None)


def _ask(visit: VisitContext, number: int) -> PageRequest:
    wanted: AntsParameters = visit.parameters
    criteria: dict[str, Any] = {
        **wanted.model_dump(include={"reason", "documents_number"}),
        "start_date": visit.today.isoformat(),
        "end_date": visit.last_day.isoformat(),
    }
    criteria |= _points(visit)[number].model_dump(exclude_none=True)
    criteria |= wanted.model_dump(include={"department_code" if wanted.department_code else "radius_km"})
    root = _api(visit.url)
    if wanted.streaming:
        socket = root.replace("http", "ws", 1) + _SOCKET
        return PageRequest(socket, json=criteria, secrets=_TOKEN, until=_END, rank=number)
    return PageRequest(
        root + _LIST,
        form={key: _in_query(value) for key, value in criteria.items()},
        headers=ACCEPT,
        secrets=_TOKEN,
        rank=number,
    )


def _api(url: str) -> str:
    """Return the API's address, without a slash at the end. A stand-in's is on its own host.

    Raises:
        ValueError: the address is any other page's. Our token is sent to no other host.
    """
    parts, host = urlsplit(url), urlsplit(_EXAMPLE).netloc
    if parts.scheme == "https" and parts.netloc in (host, f"api.{host}"):
        return f"https://api.{host}"
    if is_loopback(parts.hostname or ""):
        return f"{parts.scheme}://{parts.netloc}"
    raise ValueError(f"{url} is not the search of ANTS: write {_EXAMPLE}")


def _in_query(value: Any) -> str:
    """Return a value of a query: numbers without an exponent."""
    return f"{value:.10f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _points(visit: VisitContext) -> tuple[Position, ...]:
    """Return the points of the search. The server requires one for a department, too: its town, 100 km around it."""
    wanted: AntsParameters = visit.parameters
    if wanted.positions or not visit.position:
        return wanted.positions
    latitude, longitude = visit.position
    return (Position(latitude=latitude, longitude=longitude),)


def _read_frames(page: Page) -> Reading:
    """Read the frames of a socket: lists of town halls, then the end of the search."""
    *lists, last = frames_of(page, _END) or [page]
    if last.body.strip(b'" ') == _END.encode():
        slots = _read_lists(page, lists).slots
        return Reading(Outcome.RATE_LIMITED, f"a bare {_END}: more messages than the server takes", slots)
    end, frames = parse_json(last, _EndFrame), [*lists, last]
    refuses = [_REFUSAL in each.body and parse_json(each, _Refusal) is not None for each in frames]
    halls = [each for each, refused in zip(frames, refuses, strict=True) if not refused]
    if any(refuses):
        halls = halls[:-1] if end and not refuses[-1] else halls
        return _read_lists(page, halls, trouble=_read_search_refusal(frames[refuses.index(True)]))
    if end is None:
        return _read_lists(page, frames, trouble=read_unended(page))
    return _read_lists(page, lists, trouble=_find_failure(end, lists))


def _find_failure(end: _EndFrame, lists: list[Page]) -> Reading | None:
    """Return the state of the editors at the end of a search.

    It counts all editors of the country; those with a town hall in the area send a list each.
    """
    if end.editor_errors_number:
        failed = f"{end.editor_errors_number} of {end.editors_number}"
        return Reading(Outcome.OVERLOADED, f"editors failed: {failed}")
    if lists and end.editors_number:
        return None
    return Reading(Outcome.UNREADABLE, "no editor was asked: is the area right?")


def _read_search_refusal(frame: Page) -> Reading:
    """Read the frame that refuses a search: the site's captcha is not passed, or a token has expired."""
    said = error_message(frame, "li_message")
    for word, outcome in (("captcha", Outcome.CAPTCHA), ("token", Outcome.BLOCKED)):
        if word in said.lower():
            return Reading(outcome, f"no search: {said}")
    return Reading(Outcome.UNREADABLE, f"no search: {said}")


def _read_lists(
    page: Page, lists: Sequence[Page], *, trouble: Reading | None = None, doubt: str = ""
) -> Reading:
    """Read several lists of town halls as one: all slots of the desk until the last watched day.

    `trouble`: a failure elsewhere in the search. With trouble or an unreadable entry the answer covers nothing, and
    without slots that is its outcome. `doubt`: why slots may be missing without a failure. If a list is no JSON (a
    wall's page), or null, nothing counts.
    """
    halls: list[_Hall | None] = []
    for each in lists:
        listed = parse_json(each, _Halls)
        if listed is None and parse_json(each, object) is None:
            return Reading(Outcome.UNREADABLE, f"holds what is no JSON: {each.text[:100]!r}")
        halls += [None] if listed is None else listed
    seen = [slot for hall in halls for slot in (_slots(hall, page) if hall else [None])]
    slots = tuple({(slot.place.key, slot.moment): slot for slot in seen if slot}.values())
    if None in seen and not trouble:
        trouble = Reading(Outcome.UNREADABLE, f"entries that cannot be read: {seen.count(None)}")
    if trouble and not slots:
        return trouble
    covered = () if trouble else (CoveredWindow(None, None, page.visit.last_day),)
    if not slots:
        if any(_NO_HOURS.search(each.body) for each in lists):
            doubt = doubt or _LISTED_WITHOUT
        reason = "no town hall has a slot"
        return Reading(Outcome.NO_SLOTS, f"{reason}, but {doubt}" if doubt else reason, covered=covered)
    said = f"town halls with slots: {len({slot.place.key for slot in slots})}"
    return Reading(Outcome.SLOTS, f"{said}; {trouble.reason}" if trouble else said, slots, covered)


def _slots(hall: _Hall, page: Page) -> list[Slot | None]:
    """Return a town hall's slots, None for each that is unreadable."""
    place, zone = hall.place, page.visit.zone
    told = [(each, instant_of(each.datetime, zone)) for each in hall.available_slots if each]
    found = [Slot(place, hour, each.callback_url) if hour else None for each, hour in told]
    unread = len(hall.available_slots) - len(told)
    return found + [None] * unread


def _read_refusal(page: Page) -> Reading:
    detail = error_message(page, "detail", "details")
    said = f"HTTP {page.status}: {detail}" if detail else f"HTTP {page.status}"
    if page.status == 401:  # noqa: PLR2004
        return Reading(Outcome.BLOCKED, f"{said}; ANTS_TOKEN is the one that France Titres gives")
    if detail and (page.status in (404, 422) or "radius_km" in said):
        return Reading(Outcome.UNREADABLE, said)
    return Reading()
