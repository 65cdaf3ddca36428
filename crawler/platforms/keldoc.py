"""Keldoc: the motive's agendas first, then their timetable: hours, or the next date alone, or a phone number."""

from datetime import date, timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

from configs.strict import Strict
from configs.words import count
from crawler.parsing.answers import ACCEPT, Answer, Id, Instant, Moment, OrNone, origin, parsed
from crawler.parsing.listing import Listing, Opens, first_window, listed
from crawler.parsing.shapes import KIND_TOWN_NAME, shaped
from crawler.reading import Ask, Covered, Outcome, Page, Reading, Visit

SYSTEM = "doctolib"
COST = 2  # the motives, the first week
EXAMPLE = "https://www.keldoc.com/prefecture/paris-75004/guichet-des-titres"
EXAMPLE_PARAMETERS = {"clinic": 1, "specialty": 1, "cabinet": 1, "motive": 1}

_DAYS = 7
_API = "/api/patients/v2"
_AGENDAS = "agenda_ids[]"


class Parameters(Strict):
    """Keldoc's numbers of the clinic, its specialty, its cabinet and what people come for."""

    clinic: Id
    specialty: Id
    cabinet: Id
    motive: Id


class _Agenda(Answer):
    id: int


class _Motive(Answer):
    id: int
    agendas: list[_Agenda]


class _Category(Answer):
    motives: list[_Motive]


class _Hour(Answer):
    start_time: Instant


class _Timetable(Answer):
    availabilities: dict[str, list[OrNone[_Hour]]] | None = None
    date: Moment | None = None
    phone_number: str | None = None


def first(visit: Visit) -> Ask:
    """Ask which agendas serve the motive; the booking host answers that, not the one of the page."""
    shaped(visit.url, KIND_TOWN_NAME, "Keldoc", "<kind>/<town>/<name>")
    desk, site = visit.parameters, origin(visit.url).replace("//www.", "//booking.")
    where = f"/clinics/{desk.clinic}/specialties/{desk.specialty}/cabinets/{desk.cabinet}"
    return Ask(f"{site}{_API}{where}/motive_categories", "motives", headers=ACCEPT)


def read(page: Page) -> Reading:
    """Read the list of motives or a timetable."""
    if (categories := parsed(page, list[_Category])) is not None:
        return _agendas(page, categories)
    return _timetable(page, answer) if (answer := parsed(page, _Timetable)) else Reading()


def _agendas(page: Page, categories: list[_Category]) -> Reading:
    motives = [motive for category in categories for motive in category.motives]
    agendas = {
        str(each.id): None
        for motive in motives
        if motive.id == page.visit.parameters.motive
        for each in motive.agendas
    }
    if not agendas:
        return Reading(Outcome.UNREADABLE, f"no agenda of {len(motives)} motives serves this desk's")
    ask = first_window(page.visit, _opens(list(agendas)), _DAYS)
    return Reading(reason=f"{count(len(agendas), 'agenda')} to ask", asks=(ask,))


def _timetable(page: Page, answer: _Timetable) -> Reading:
    hours = [hour for day in (answer.availabilities or {}).values() for hour in day]
    if answer.availabilities is None and answer.date is None:
        phone = answer.phone_number
        return (
            Reading(Outcome.NO_SLOTS, f"by phone only: {phone}", covered=(Covered(),)) if phone else Reading()
        )
    moments = [hour.start_time if hour else None for hour in hours]
    agendas = parse_qs(urlsplit(page.ask.url).query).get(_AGENDAS, [])
    return listed(page, Listing(moments, next_at=answer.date), _opens(agendas), _DAYS)


def _opens(agendas: list[str]) -> Opens:
    def ask(visit: Visit, window: Covered) -> Ask:
        ends = {
            "from": window.first,
            "to": (window.last or date.min) + timedelta(days=1),
        }  # whether `to` is meant, nobody says
        query = urlencode(ends | {_AGENDAS: agendas}, doseq=True)
        return Ask(
            f"{origin(visit.url)}{_API}/timetables/{visit.parameters.motive}?{query}", "week", headers=ACCEPT
        )

    return ask
