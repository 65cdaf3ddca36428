"""Keldoc: the motive's agendas first, then their timetable: hours, only the next date, or a phone number."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from pydantic import StringConstraints

from configs.ground.strict_model import Strict
from configs.ground.text import pluralize
from crawler.parsing.dates import moments_in
from crawler.parsing.json_calendar import Listing, WindowRequest, by_address, first_window, read_listing
from crawler.parsing.json_models import (
    ACCEPT,
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
from crawler.parsing.no_slot_phrases import says_none, speaks_of_trouble
from crawler.parsing.normal_form import normalize
from crawler.platforms import KIND_TOWN_NAME, Platform, match_address
from crawler.reading import CoveredWindow, Outcome, Page, PageRequest, Reading, VisitContext

_API = "/api/patients/v2"
_ENDS = ("from", "to")  # `to` may be exclusive, so it is the day after the window


class KeldocParameters(Strict):
    """Keldoc's numbers of the clinic, the specialty, the cabinet and the motive."""

    clinic: Id
    specialty: Id
    cabinet: Id
    motive: Id


_PHONE = re.compile(r"uniquement|exclusivement|seulement|telephon|\bappel")  # "uniquement disponible au :"
_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class _Agenda(JsonModel):
    id: Number


class _Motive(JsonModel):
    id: Number
    agendas: Entries[_Agenda]


class _Category(JsonModel):
    motives: list[_Motive]


class _Timetable(Tolerant):
    availabilities: dict[str, OrNone[Entries[Annotated[Moment, slot_start_field("start_time")]]]] | None = (
        None
    )
    date: Moment | None = None
    text: OrNone[str] = None


class _ByPhone(JsonModel, extra="forbid"):
    """The recorded answer for a motive that is booked by phone: exactly these four texts."""

    text: _Text
    num: _Text
    num_text: _Text
    phone_number: _Text


class Keldoc(Platform):
    """Keldoc."""

    SYSTEM = "doctolib"
    COST = 2  # the motives, the first week
    EXAMPLE = "https://www.keldoc.com/prefecture/paris-75004/guichet-des-titres"
    EXAMPLE_PARAMETERS: ClassVar = {"clinic": 1, "specialty": 1, "cabinet": 1, "motive": 1}
    Parameters = KeldocParameters

    def first_request(self, visit: VisitContext) -> PageRequest:
        """Return the request for the motive's agendas; the booking host answers it, not the page's host."""
        match_address(visit.url, KIND_TOWN_NAME, "Keldoc", "<kind>/<town>/<name>")
        desk, site = visit.parameters, origin(visit.url).replace("//www.", "//booking.")
        where = f"/clinics/{desk.clinic}/specialties/{desk.specialty}/cabinets/{desk.cabinet}"
        return PageRequest(f"{site}{_API}{where}/motive_categories", "motives", headers=ACCEPT)

    def read_page(self, page: Page) -> Reading:
        """Read the list of motives or a timetable."""
        if (categories := parse_json(page, list[_Category])) is not None:
            return _agendas(page, [motive for category in categories for motive in category.motives])
        if by_phone := parse_json(page, _ByPhone):
            return _by_phone(page, by_phone)
        return _timetable(page, answer) if (answer := parse_json(page, _Timetable)) else Reading()


def _by_phone(page: Page, answer: _ByPhone) -> Reading:
    visit = page.visit
    if (
        not _PHONE.search(normalize(answer.text))
        or speaks_of_trouble(answer.text)
        or any(moments_in(answer.text, visit))
    ):
        return Reading(Outcome.UNREADABLE, f"names a phone number, and says {answer.text!r}")
    return Reading(Outcome.NO_SLOTS, f"by phone only: {answer.phone_number}", covered=(CoveredWindow(),))


def _agendas(page: Page, motives: list[_Motive]) -> Reading:
    """Request the first week of the motive's agendas; beside one that cannot be read they prove no absence."""
    listed = [(motive.id, agenda) for motive in motives for agenda in motive.agendas]
    wanted = dict.fromkeys(
        agenda.id for key, agenda in listed if agenda and key == page.visit.parameters.motive
    )
    number, odd = pluralize(len(listed), "agenda"), sum(agenda is None for _, agenda in listed)
    unread = f"{odd} of {number} cannot be read" if odd else ""
    if not wanted:
        return Reading(Outcome.UNREADABLE, unread or f"none of {number} offers what this desk is for")
    ask = first_window(page.visit, _opens(page.visit, wanted))
    return Reading(Outcome.UNREADABLE if odd else None, unread or "1 place to ask", asks=(ask,))


def _timetable(page: Page, answer: _Timetable) -> Reading:
    opens = by_address(page.ask.url, *_ENDS)
    if answer.availabilities is not None or answer.date is not None:
        hours = flat((answer.availabilities or {}).values())
        return read_listing(page, Listing(hours, answer.date, odd=answer.odd), opens)
    if answer.odd or not (answer.text and says_none(answer.text)):
        return Reading()
    nothing = read_listing(page, Listing(), opens)
    return replace(nothing, reason=f"{answer.text}: {nothing.reason}")


def _opens(visit: VisitContext, agendas: Iterable[int]) -> WindowRequest:
    asked = dict.fromkeys(_ENDS, "") | {"agenda_ids[]": list(agendas)}
    url = f"{origin(visit.url)}{_API}/timetables/{visit.parameters.motive}"
    return by_address(f"{url}?{urlencode(asked, doseq=True)}", *_ENDS)
