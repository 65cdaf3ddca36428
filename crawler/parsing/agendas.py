"""Selection of the agendas that serve a desk: they offer its motive at its places, and take bookings.

The agendas of a place share one request, or have one each where a closed agenda would hide the others' slots.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from w3lib.url import add_or_replace_parameters, url_query_parameter

from configs.ground.formatting import pluralize
from crawler.parsing.json_calendar import WindowRequest, first_window
from crawler.parsing.json_models import Number, Tolerant
from crawler.reading import CoveredWindow, Outcome, Page, Place, Reading, VisitContext


class BookableAgenda(Tolerant):
    """An agenda of a site. A platform's subclass gives the site's field names as aliases."""

    id: Number
    offered: dict[str, list[Number]]  # ids of motives, by place
    shut: bool = False  # takes no bookings
    paused: bool = False  # takes no bookings now


def ask_agendas(
    visit: VisitContext,
    agendas: Sequence[BookableAgenda | None],
    motives: Collection[int],
    places: Collection[int] = (),
    *,
    opens: Callable[[VisitContext, str, Sequence[int]], WindowRequest],
    labels: Mapping[str, str | None] = MappingProxyType({}),
) -> Reading:
    """Request the first week of the agendas that serve a desk, place by place, or say why none serves it.

    `motives`: the desk's; `places`: the desk's, empty for all that offer a motive. `opens` builds the request for a
    place's agendas, in the site's order: another order was seen to change the answer. `labels`: the places' names.
    Next to an unreadable agenda (None) the others are requested, but prove no absence.
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
    asks = tuple(
        first_window(visit, ask, place, rank)
        for rank, (place, ask) in enumerate(visit.in_turn(windows))  # rotated: a visit may end before all
    )
    if None in agendas:
        return Reading(Outcome.UNREADABLE, odd, asks=asks)
    return Reading(reason=f"{pluralize(len(asks), 'place')} to ask", asks=asks)


def ask_alone(page: Page, parameter: str, reason: str) -> Reading | None:
    """Request each agenda of this answer separately, rotated each visit; None if the answer is about one agenda.

    `parameter` has their ids in the address, joined by `-`. The separate answers cover doubtfully.
    """
    ids = (url_query_parameter(page.ask.url, parameter) or "").split("-")
    if len(ids) < 2:  # noqa: PLR2004 -- nothing to separate
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
    """Say why none of these agendas can be requested."""
    if any(each.paused for each in agendas):
        return Reading(Outcome.MAINTENANCE, "booking is temporarily disabled")
    if agendas and all(each.shut for each in agendas) and not odd:
        return Reading(Outcome.CLOSED, "booking is disabled")
    none = f"none of {pluralize(len(agendas), 'agenda')} offers what this desk is for"
    return Reading(Outcome.UNREADABLE, odd or none)
