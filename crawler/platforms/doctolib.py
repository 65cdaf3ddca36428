"""Doctolib: the booking file names the agendas; availabilities are requested a week at a time."""

from collections.abc import Iterable
from dataclasses import replace
from operator import itemgetter
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from pydantic import AliasChoices, AliasPath, Field
from w3lib.url import add_or_replace_parameters, url_query_parameter

from configs.ground.strict_model import Strict
from configs.ground.text import pluralize
from crawler.parsing.dates import WEEK_LENGTH
from crawler.parsing.error_pages import error_message, read_error_status
from crawler.parsing.json_calendar import Listing, WindowRequest, by_address, first_window, read_listing
from crawler.parsing.json_models import (
    ACCEPT,
    Day,
    Entries,
    Id,
    JsonModel,
    Moment,
    Number,
    OrNone,
    Tolerant,
    flat,
    origin,
    parse_json,
    slot_start_field,
)
from crawler.platforms import KIND_TOWN_NAME, Platform, match_address
from crawler.reading import GONE, CoveredWindow, Outcome, Page, PageRequest, Place, Reading, VisitContext

_BOOKING = "booking"
_INFO = "/online_booking/api/slot_selection_funnel/v1/info.json"
_FIRST, _AGENDAS = "start_date", "agenda_ids"  # parameters of a week
# The reason for all agendas of a request, if one of them is not open yet.
_NOT_OPEN = "not_opened_availability"
_ABSENT = (None, "", "no_availabilities", _NOT_OPEN)  # reasons beside an absence of slots


class DoctolibParameters(Strict):
    """`motives`: their ids; `practices`: the places (none: all that offer a motive)."""

    motives: Annotated[tuple[Id, ...], Field(min_length=1)]
    practices: tuple[Id, ...] = ()


class _Agenda(Tolerant):
    id: Number
    offered: dict[str, list[Number]] = Field(alias="visit_motive_ids_by_practice_id")
    shut: bool = Field(default=False, alias="booking_disabled")
    paused: bool = Field(default=False, alias="booking_temporary_disabled")


class _Where(JsonModel):
    practice_ids: list[int]
    address: str | None = Field(None, validation_alias=AliasChoices("full_address", "address"))


class _Booking(JsonModel):
    agendas: Entries[_Agenda] = Field(validation_alias=AliasPath("data", "agendas"))
    places: OrNone[Entries[_Where]] = Field(None, validation_alias=AliasPath("data", "places"))


class _Day(JsonModel):
    date: OrNone[Day] = None
    slots: Entries[
        Annotated[Moment, slot_start_field(_FIRST, "start_time")]
    ]  # the second of its `steps` is no slot


class _Week(Tolerant):
    availabilities: Entries[_Day]
    total: Number | None = None
    next_slot: Moment | None = None
    reason: OrNone[str] = None


class Doctolib(Platform):
    """Doctolib."""

    SYSTEM = "doctolib"
    COST = 2  # the booking file, the first week
    EXAMPLE = "https://www.doctolib.fr/prefecture/paris/guichet-des-titres"
    EXAMPLE_PARAMETERS: ClassVar = {"motives": [1]}
    Parameters = DoctolibParameters

    def first_request(self, visit: VisitContext) -> PageRequest:
        """Return the request for the booking file."""
        return PageRequest(f"{origin(visit.url)}/booking/{_name(visit)}.json", _BOOKING, headers=ACCEPT)

    def read_page(self, page: Page) -> Reading:
        """Read a booking file or a week of availabilities."""
        if page.status == 400:  # noqa: PLR2004 -- seen instead of 403
            said = error_message(page, "error", "errors", "message")
            return Reading(Outcome.BLOCKED, f"HTTP 400: {said}" if said else "HTTP 400", refused=True)
        if page.status in GONE and page.ask.step == _BOOKING:
            return Reading(
                reason=f"HTTP {page.status}: asked at its newer address", asks=(_newer(page.visit),)
            )
        if error := read_error_status(page, entry=True, gone="the place is gone"):
            return error
        if week := parse_json(page, _Week):
            return _week(page, week)
        return _practices(page, booking) if (booking := parse_json(page, _Booking)) else Reading()


def _name(visit: VisitContext) -> str:
    return match_address(visit.url, KIND_TOWN_NAME, "Doctolib", "<kind>/<town>/<name>")["name"]


def _newer(visit: VisitContext) -> PageRequest:
    """Return the request for the booking file at the address of 2026; the older address may be gone."""
    asked = urlencode({"profile_slug": _name(visit), "locale": "fr"})
    return PageRequest(f"{origin(visit.url)}{_INFO}?{asked}", "info", headers=ACCEPT)


def _practices(page: Page, booking: _Booking) -> Reading:
    """Request the first week of the agendas that serve the desk, or say why none serves it.

    The agendas of a practice share one request, in the site's order: another order was seen to change the answer. Next
    to an unreadable agenda the others are requested, but prove no absence.
    """
    visit, desk, known = page.visit, page.visit.parameters, [agenda for agenda in booking.agendas if agenda]
    places = {
        f"{key}": where.address for where in filter(None, booking.places or ()) for key in where.practice_ids
    }
    serving = [
        (key, agenda)
        for agenda in known
        for key in list(map(str, desk.practices)) or agenda.offered
        if set(agenda.offered.get(key, ())) & set(desk.motives)
    ]
    asked: dict[str, dict[int, None]] = {}
    for key, agenda in sorted(serving, key=itemgetter(0)):
        if not (agenda.shut or agenda.paused):
            asked.setdefault(key, {})[agenda.id] = None
    number, odd = pluralize(len(booking.agendas), "agenda"), len(booking.agendas) - len(known)
    unread = f"{odd} of {number} cannot be read" if odd else ""
    if not asked:
        agendas = [agenda for _, agenda in serving] or known
        if any(agenda.paused for agenda in agendas):
            return Reading(Outcome.MAINTENANCE, "booking is temporarily disabled")
        if agendas and all(agenda.shut for agenda in agendas) and not odd:
            return Reading(Outcome.CLOSED, "booking is disabled")
        return Reading(Outcome.UNREADABLE, unread or f"none of {number} offers what this desk is for")
    asks = tuple(
        first_window(visit, _opens(visit, key, ids), Place(key, places.get(key)), rank)
        for rank, (key, ids) in enumerate(visit.in_turn(list(asked.items())))
    )
    return Reading(
        Outcome.UNREADABLE if odd else None, unread or f"{pluralize(len(asks), 'place')} to ask", asks=asks
    )


def _ask_alone(page: Page) -> Reading | None:
    """Request each agenda of this answer separately: a closed one hides the others' slots; None if it is about one.

    The separate answers cover doubtfully.
    """
    ids = (url_query_parameter(page.ask.url, _AGENDAS) or "").split("-")
    if len(ids) == 1:
        return None
    url, window = page.ask.url, replace(page.ask.window or CoveredWindow(), doubtful=True)
    asks = tuple(
        replace(page.ask, url=add_or_replace_parameters(url, {_AGENDAS: each}), window=window)
        for each in page.visit.in_turn(ids)
    )
    return Reading(reason=f"{_NOT_OPEN}: each of {pluralize(len(ids), 'agenda')} is asked alone", asks=asks)


def _week(page: Page, week: _Week) -> Reading:
    slots = flat(day.slots if day else None for day in week.availabilities)
    empty = not (slots or week.next_slot) and week.reason == _NOT_OPEN
    if empty and (apart := _ask_alone(page)):
        return apart
    last = max((day.date for day in week.availabilities if day and day.date), default=None)
    odd = week.odd or week.reason not in _ABSENT
    found = Listing(slots, week.next_slot, week.total, last=last, final=week.total == 0, odd=odd)
    return read_listing(page, found, by_address(page.ask.url, _FIRST))


def _opens(visit: VisitContext, practice: str, agendas: Iterable[int]) -> WindowRequest:
    motives = "-".join(map(str, visit.parameters.motives))
    where = {_AGENDAS: "-".join(map(str, agendas)), "practice_ids": practice}
    asked = (
        {_FIRST: "", "visit_motive_ids": motives}
        | where
        | {"insurance_sector": "public", "limit": WEEK_LENGTH}
    )
    return by_address(f"{origin(visit.url)}/availabilities.json?{urlencode(asked)}", _FIRST)
