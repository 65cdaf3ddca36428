"""Doctolib: the booking file has the motives and their places (a recorded answer of 2021)."""

from collections import defaultdict
from collections.abc import Iterator

from crawler.parsing.json_models import ACCEPT, JsonModel, Number, origin, parse_json
from crawler.parsing.url_patterns import KIND_TOWN_NAME
from crawler.platform_detection.lookup_base import IdChoice, KnownIds, LookupStep, PlatformLookup
from crawler.reading import Page, PageRequest


class _Agenda(JsonModel):
    visit_motive_ids_by_practice_id: dict[Number, list[int]]


class _Where(JsonModel):
    practice_ids: list[int]
    full_address: str | None = None


class _Motive(JsonModel):
    id: int
    name: str


class _Data(JsonModel):
    agendas: list[_Agenda]
    visit_motives: list[_Motive]
    places: tuple[_Where, ...] = ()


class _Booking(JsonModel):
    data: _Data


def _ask(known: KnownIds) -> PageRequest | None:
    found = KIND_TOWN_NAME.match(known.url)
    return PageRequest(f"{origin(known.url)}/booking/{found['name']}.json", headers=ACCEPT) if found else None


def _motives(page: Page) -> Iterator[IdChoice]:
    """Yield the motives that an agenda offers; all motives if no agenda offers any."""
    if not (booking := parse_json(page, _Booking)):
        return
    practices = _practices(booking.data.agendas)
    labels = {key: where.full_address for where in booking.data.places for key in where.practice_ids}
    for each in booking.data.visit_motives:
        if each.id in practices or not practices:
            there = {key: labels.get(key) for key in sorted(practices.get(each.id, ()))}
            yield IdChoice(each.name, {"motives": [each.id]}, _where(there) if len(there) > 1 else "")


def _practices(agendas: list[_Agenda]) -> dict[int, set[int]]:
    """Return the places of each motive."""
    practices: defaultdict[int, set[int]] = defaultdict(set)
    for agenda in agendas:
        for practice, motives in agenda.visit_motive_ids_by_practice_id.items():
            for motive in motives:
                practices[motive].add(practice)
    return practices


def _where(places: dict[int, str | None]) -> str:
    named = ", ".join(f"{key} is {label or 'unnamed'}" for key, label in places.items())
    return f"it is watched wherever it is offered; for some places only, add practices: [...]: {named}"


class DoctolibLookup(PlatformLookup):
    """The ids of Doctolib desks."""

    STEPS = (LookupStep("motives", _ask, _motives, own=True),)
    BY_HAND = (
        "the motives are the ids under visit_motives of https://<site>/booking/<name>.json, or, where that is gone, of "
        "https://<site>/online_booking/api/slot_selection_funnel/v1/info.json?profile_slug=<name>"
    )
