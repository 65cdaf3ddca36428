"""Doctolib: the booking file names the agendas, the availabilities are asked for a week at a time.

Agendas keep the order of the booking file: another order was seen to change the answer.
"""

from collections import defaultdict
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import Field, PlainValidator
from w3lib.url import url_query_parameter

from configs.strict import Strict
from crawler.parsing.answers import ACCEPT, Answer, Day, Id, Moment, Number, OrNone, moment_of, origin, parsed
from crawler.parsing.listing import Listing, Opens, first_windows, listed
from crawler.parsing.shapes import KIND_TOWN_NAME, shaped
from crawler.reading import Ask, Covered, Outcome, Page, Place, Reading, Visit

SYSTEM = "doctolib"
COST = 2  # the booking file, the first week
EXAMPLE = "https://www.doctolib.fr/prefecture/paris/guichet-des-titres"
EXAMPLE_PARAMETERS = {"motives": [1]}

_DAYS = 7


class Parameters(Strict):
    """`motives`: the ids of what people come for; `practices`: where (none: wherever they are offered)."""

    motives: Annotated[tuple[Id, ...], Field(min_length=1)]
    practices: tuple[Id, ...] = ()


class _Agenda(Answer):
    id: int
    booking_disabled: bool
    booking_temporary_disabled: bool = False
    visit_motive_ids_by_practice_id: dict[Number, list[int]]


class _Where(Answer):
    practice_ids: list[int]
    full_address: str | None = None


class _Data(Answer):
    agendas: list[_Agenda]
    places: tuple[_Where, ...] = ()


class _Booking(Answer):
    data: _Data


def _start(value: Any) -> Any:
    """Return when a slot begins; the second of its `steps` is a later visit, no slot."""
    return moment_of(value.get("start_date") or value.get("start_time") if isinstance(value, dict) else value)


class _Days(Answer):
    date: OrNone[Day] = None
    slots: list[OrNone[Annotated[Any, PlainValidator(_start)]]]


class _Week(Answer):
    availabilities: list[_Days]
    total: int | None = None
    next_slot: Moment | None = None


def first(visit: Visit) -> Ask:
    """Ask for the booking file."""
    found = shaped(visit.url, KIND_TOWN_NAME, "Doctolib", "<kind>/<town>/<name>")
    return Ask(f"{origin(visit.url)}/booking/{found['name']}.json", "booking", headers=ACCEPT)


def read(page: Page) -> Reading:
    """Read a booking file or a week of availabilities."""
    if page.status == 404:  # noqa: PLR2004
        return Reading(Outcome.CLOSED, "HTTP 404: the place is gone")
    if page.status == 400:  # noqa: PLR2004 -- seen instead of 403
        return Reading(Outcome.BLOCKED, "HTTP 400", refused=True)
    if week := parsed(page, _Week):
        return _week(page, week)
    return _agendas(page, booking.data) if (booking := parsed(page, _Booking)) else Reading()


def _agendas(page: Page, booking: _Data) -> Reading:
    """Ask each practice for its first week, beginning with another one each visit."""
    wanted = page.visit.parameters
    offers: defaultdict[int, list[_Agenda]] = defaultdict(list)
    for agenda in booking.agendas:
        for practice, motives in agenda.visit_motive_ids_by_practice_id.items():
            if set(motives) & set(wanted.motives) and practice in (wanted.practices or (practice,)):
                offers[practice].append(agenda)
    bookable = {key: [each for each in agendas if not _shut(each)] for key, agendas in offers.items()}
    keys = sorted(key for key, agendas in bookable.items() if agendas)
    if not keys:
        return _nowhere(booking, [each for agendas in offers.values() for each in agendas])
    labels = {key: where.full_address for where in booking.places for key in where.practice_ids}
    agendas = {key: "-".join(str(each.id) for each in bookable[key]) for key in keys}
    places = [(Place(f"{key}", labels.get(key)), _opens(agendas[key])) for key in keys]
    return first_windows(page.visit, places, _DAYS, "practice")


def _shut(agenda: _Agenda) -> bool:
    return agenda.booking_disabled or agenda.booking_temporary_disabled


def _nowhere(booking: _Data, offering: list[_Agenda]) -> Reading:
    """Say why nothing can be booked; an agenda that is disabled may offer nothing any more."""
    agendas = offering or booking.agendas
    if any(each.booking_temporary_disabled for each in agendas):
        return Reading(Outcome.MAINTENANCE, "booking is temporarily disabled")
    if agendas and all(each.booking_disabled for each in agendas):
        return Reading(Outcome.CLOSED, "booking is disabled")
    return Reading(Outcome.UNREADABLE, f"none of {len(booking.agendas)} agendas offers this desk's motives")


def _week(page: Page, week: _Week) -> Reading:
    moments = [moment for day in week.availabilities for moment in day.slots]
    days = [day.date for day in week.availabilities]
    found = Listing(
        moments,
        next_at=week.next_slot,
        total=week.total,
        last=max((day for day in days if day), default=None),
        final=week.total == 0,
    )
    return listed(page, found, _opens(url_query_parameter(page.ask.url, "agenda_ids") or ""), _DAYS)


def _opens(agendas: str) -> Opens:
    def ask(visit: Visit, window: Covered) -> Ask:
        asked = {
            "start_date": window.first,
            "visit_motive_ids": "-".join(map(str, visit.parameters.motives)),
            "agenda_ids": agendas,
            "practice_ids": window.place_key,
            "insurance_sector": "public",
            "limit": _DAYS,
        }
        return Ask(f"{origin(visit.url)}/availabilities.json?{urlencode(asked)}", "week", headers=ACCEPT)

    return ask
