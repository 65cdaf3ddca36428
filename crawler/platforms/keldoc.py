"""Keldoc: the motive's agendas first, then their timetable: hours, or the next date alone, or a phone number."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated
from urllib.parse import urlencode

from configs.strict import Strict
from crawler.parsing.absence import says_none
from crawler.parsing.agendas import Agenda, ask_agendas
from crawler.parsing.answers import ACCEPT, Answer, Id, Moment, Number, OrNone, Tolerant, origin, parsed
from crawler.parsing.entries import Entries, flat, starting
from crawler.parsing.listing import Listing, Opens, by_address, listed
from crawler.parsing.shapes import KIND_TOWN_NAME, shaped
from crawler.reading import Ask, Covered, Outcome, Page, Reading, Visit

SYSTEM = "doctolib"
COST = 2  # the motives, the first week
EXAMPLE = "https://www.keldoc.com/prefecture/paris-75004/guichet-des-titres"
EXAMPLE_PARAMETERS = {"clinic": 1, "specialty": 1, "cabinet": 1, "motive": 1}

_DAYS = 7
_API = "/api/patients/v2"
_ENDS = ("from", "to")  # whether `to` is meant too, nobody says: the day behind the window is asked for


class Parameters(Strict):
    """Keldoc's numbers of the clinic, its specialty, its cabinet and what people come for."""

    clinic: Id
    specialty: Id
    cabinet: Id
    motive: Id


class _Agenda(Answer):
    id: Number


class _Motive(Answer):
    id: Number
    agendas: Entries[_Agenda]


class _Category(Answer):
    motives: list[_Motive]


class _Timetable(Tolerant):
    availabilities: dict[str, OrNone[Entries[Annotated[Moment, starting("start_time")]]]] | None = None
    date: Moment | None = None
    phone_number: str | None = None
    text: OrNone[str] = None


def first(visit: Visit) -> Ask:
    """Ask which agendas serve the motive; the booking host answers that, not the one of the page."""
    shaped(visit.url, KIND_TOWN_NAME, "Keldoc", "<kind>/<town>/<name>")
    desk, site = visit.parameters, origin(visit.url).replace("//www.", "//booking.")
    where = f"/clinics/{desk.clinic}/specialties/{desk.specialty}/cabinets/{desk.cabinet}"
    return Ask(f"{site}{_API}{where}/motive_categories", "motives", headers=ACCEPT)


def read(page: Page) -> Reading:
    """Read the list of motives or a timetable."""
    if (categories := parsed(page, list[_Category])) is not None:
        motives = [motive for category in categories for motive in category.motives]
        agendas = [_agenda(each, motive) for motive in motives for each in motive.agendas]
        return ask_agendas(page.visit, agendas, [page.visit.parameters.motive], opens=_opens, days=_DAYS)
    return _timetable(page, answer) if (answer := parsed(page, _Timetable)) else Reading()


def _agenda(agenda: _Agenda | None, motive: _Motive) -> Agenda | None:
    return Agenda(id=agenda.id, offered={"": [motive.id]}) if agenda else None


def _timetable(page: Page, answer: _Timetable) -> Reading:
    opens = by_address(page.ask.url, *_ENDS)
    if answer.availabilities is not None or answer.date is not None:
        hours = flat((answer.availabilities or {}).values())
        return listed(page, Listing(hours, answer.date, odd=answer.odd), opens, _DAYS)
    if answer.odd:
        return Reading()
    if answer.phone_number:
        return Reading(Outcome.NO_SLOTS, f"by phone only: {answer.phone_number}", covered=(Covered(),))
    if not (answer.text and says_none(answer.text)):
        return Reading()
    nothing = listed(page, Listing(), opens, _DAYS)
    return replace(nothing, reason=f"{answer.text}: {nothing.reason}")


def _opens(visit: Visit, _place: str, agendas: Sequence[int]) -> Opens:
    asked = dict.fromkeys(_ENDS, "") | {"agenda_ids[]": agendas}
    url = f"{origin(visit.url)}{_API}/timetables/{visit.parameters.motive}"
    return by_address(f"{url}?{urlencode(asked, doseq=True)}", *_ENDS)
