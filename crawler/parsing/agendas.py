"""Which of a site's agendas serve a desk: those that offer what people come for, at its places, and take bookings.

They are asked together, and each alone where one silences the others.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from w3lib.url import add_or_replace_parameters, url_query_parameter

from configs.formatting import pluralize
from crawler.parsing.json_calendar import WindowRequest, first_windows
from crawler.parsing.json_models import Number, Tolerant
from crawler.reading import CoveredWindow, Outcome, Page, Place, Reading, VisitContext


class BookableAgenda(Tolerant):
    """An agenda as a site lists it; a platform's own names the site's fields by their aliases.

    `offered`: the numbers of what people may come for, by place. `shut`: it takes no bookings; `paused`: not now.
    """

    id: Number
    offered: dict[str, list[Number]]
    shut: bool = False
    paused: bool = False


def ask_agendas(
    visit: VisitContext,
    agendas: Sequence[BookableAgenda | None],
    motives: Collection[int],
    places: Collection[int] = (),
    *,
    opens: Callable[[VisitContext, str, Sequence[int]], WindowRequest],
    days: int,
    labels: Mapping[str, str | None] = MappingProxyType({}),
) -> Reading:
    """Ask the agendas that serve a desk for their first days, place by place, or say why none does.

    `motives`: what people come for; `places`: where, none: wherever it is offered. `opens`: how a place's agendas are
    asked, in the site's order, for another was seen to change the answer. `labels`: the places' names. Beside an
    agenda that cannot be read (None) the others are asked, and prove no absence.
    """
    known = [agenda for agenda in agendas if agenda]
    odd = f"{len(agendas) - len(known)} of {pluralize(len(agendas), 'agenda')} cannot be read"
    offering = [(place, agenda) for agenda in known for place in _find_places(agenda, motives, places)]
    asked: dict[str, dict[int, None]] = {}
    for place, agenda in sorted(offering, key=lambda each: each[0]):
        if not (agenda.shut or agenda.paused):
            asked.setdefault(place, {})[agenda.id] = None
    if not asked:
        return _explain_unserved([agenda for _, agenda in offering] or known, odd if None in agendas else "")
    windows = [(Place(key, labels.get(key)), opens(visit, key, list(ids))) for key, ids in asked.items()]
    reading = first_windows(visit, windows, days, "place")
    return replace(reading, outcome=Outcome.UNREADABLE, reason=odd) if None in agendas else reading


def ask_alone(page: Page, parameter: str, reason: str) -> Reading | None:
    """Ask each agenda alone that this answer is about, beginning with another one each visit; None where it is one.

    `parameter` names them in the address, joined by `-`. Each has what the others leave out: absence is doubtful.
    """
    ids = (url_query_parameter(page.ask.url, parameter) or "").split("-")
    if len(ids) < 2:  # noqa: PLR2004 -- nothing to take apart
        return None
    url, window = page.ask.url, replace(page.ask.window or CoveredWindow(), doubtful=True)
    asks = tuple(
        replace(page.ask, url=add_or_replace_parameters(url, {parameter: each}), window=window)
        for each in page.visit.in_turn(ids)
    )
    return Reading(reason=f"{reason}: each of {pluralize(len(ids), 'agenda')} is asked alone", asks=asks)


def _find_places(agenda: BookableAgenda, motives: Collection[int], places: Collection[int]) -> list[str]:
    wanted = [f"{place}" for place in places] or agenda.offered
    return [place for place in wanted if set(agenda.offered.get(place, ())) & set(motives)]


def _explain_unserved(agendas: Sequence[BookableAgenda], odd: str) -> Reading:
    """Say why none of these can be asked; one that is shut may offer nothing any more."""
    if any(each.paused for each in agendas):
        return Reading(Outcome.MAINTENANCE, "booking is temporarily disabled")
    if agendas and all(each.shut for each in agendas) and not odd:
        return Reading(Outcome.CLOSED, "booking is disabled")
    none = f"none of {pluralize(len(agendas), 'agenda')} offers what this desk is for"
    return Reading(Outcome.UNREADABLE, odd or none)
