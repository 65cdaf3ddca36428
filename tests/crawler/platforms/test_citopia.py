"""A department of town halls: which weeks a visit asks for, in which order, and what it never asks."""

from collections import Counter
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from configs.world.desk import Outcome
from crawler.platforms import platform
from crawler.platforms.citopia import department_of
from crawler.reading import PageRequest, Reading, VisitContext
from tests.crawler import pages
from tests.crawler.pages import answer
from tests.in_turn import in_turn

CITOPIA = platform("citopia")
WEEKS = 4  # of a visit: six requests a minute, without the session and the list


def context(turn: int = 0, **parameters: Any) -> VisitContext:
    wanted: dict[str, Any] = {"department_code": "86", "reason": "passport"} | parameters
    url, position = "https://rendezvousonline.fr/", (46.58, 0.34)
    return pages.visit(url, name="citopia", horizon=27, turn=turn, position=position, **wanted)


def hall(number: int, *reasons: str, alias: str | None = None) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"Mairie {number}",
        "alias": alias or f"ville-86000-{number}",
        "reasons": [{"id": 10 * number + place, "name": name} for place, name in enumerate(reasons)],
    }


def read_halls(*halls: dict[str, Any], visit: VisitContext | None = None) -> Reading:
    return answer("citopia", visit or context(), PageRequest("/", "s"), {"results": halls})


def first_asked(reading: Reading, number: int = WEEKS) -> list[tuple[str, date | None]]:
    """Return the town halls and weeks that a visit of this number of them asks for."""
    chosen = sorted(reading.asks, key=lambda ask: ask.rank)[:number]
    return [(ask.place.key, ask.window.first if ask.window else None) for ask in chosen]


@pytest.mark.rule("3.2")
@in_turn("count", [1, 3, 10])
def test_a_round_asks_for_each_week_of_each_town_hall_once(count: int) -> None:
    halls = [hall(number, "Dépôt passeport") for number in range(1, count + 1)]
    visits = CITOPIA.count_round(context(), count)
    assert visits == count
    asked = Counter(
        week
        for turn in range(5 * visits, 6 * visits)
        for week in first_asked(read_halls(*halls, visit=context(turn)))
    )
    assert (len(asked), set(asked.values())) == (count * 4, {1})


@in_turn("reached", [1, 3, 4])
def test_no_week_is_always_the_one_that_visits_do_not_reach(reached: int) -> None:
    halls = [hall(number, "Dépôt passeport") for number in range(1, 4)]
    asked = [first_asked(read_halls(*halls, visit=context(turn)), reached) for turn in range(4 * 3)]
    assert len({week for weeks in asked for week in weeks}) == 3 * 4


def test_a_smaller_budget_makes_a_longer_round() -> None:
    assert CITOPIA.count_round(replace(context(), requests=3), 10) == 40
    assert CITOPIA.count_round(replace(context(), requests=2), 10) == 40
    assert CITOPIA.count_round(replace(context(), requests=12), None) == 4


def test_every_visit_names_all_town_halls_so_that_none_counts_as_gone() -> None:
    reading = read_halls(*(hall(number, "Dépôt passeport") for number in range(1, 6)))
    assert len({ask.place.key for ask in reading.asks}) == 5


def test_only_the_ten_with_hours_soonest_are_asked_and_their_order_on_the_page_changes_no_turn() -> None:
    halls = [hall(number, "Dépôt passeport") for number in range(11, 25)]
    here, there = read_halls(*halls), read_halls(*reversed(halls[:10]))
    assert first_asked(here, 99) == first_asked(there, 99)
    assert {ask.place.key for ask in here.asks} == {f"ville-86000-{number}" for number in range(11, 21)}


@in_turn(
    "wanted, names, chosen",
    [
        ("passport", ("Retrait passeport", "Dépôt double CNI et passeport", "Dépôt passeport"), [12]),
        ("identity_card", ("Demande de carte nationale d'identité",), [10]),
        ("both", ("Dépôt CNI", "Dépôt passeport", "Dépôt double CNI et passeport"), [12]),
        ("both", ("Dépôt CNI", "Dépôt passeport"), [11, 10]),
        ("both", ("Dépôt CNI",), []),
        ("both", ("Dépôt CNI ou passeport",), []),
        ("passport", ("Dépôt CNI ou passeport",), [10]),
        ("passport", ("Retrait passeport", "Acte de naissance"), []),
    ],
)
def test_a_town_halls_reason_is_told_by_its_name(
    wanted: str, names: tuple[str, ...], chosen: list[int]
) -> None:
    reading = read_halls(hall(1, *names), visit=context(reason=wanted))
    if not chosen:
        assert reading.outcome is Outcome.UNREADABLE
        return
    assert all(f"reasons={_quoted(chosen)}" in ask.url for ask in reading.asks)


def _quoted(numbers: list[int]) -> str:
    pairs = "%2C".join(f"%22{number}%22%3A1" for number in numbers)
    return f"%7B{pairs}%7D"


@pytest.mark.rule("3.2")
def test_a_list_proves_nothing_about_the_department() -> None:
    for halls in ((), (hall(1, "Dépôt passeport", alias="ailleurs-79000"),), (hall(1, "Retrait passeport"),)):
        reading = read_halls(*halls)
        assert (reading.outcome, reading.covered) == (Outcome.UNREADABLE, ())


def test_a_slot_is_booked_on_its_town_halls_own_page() -> None:
    ask = read_halls(hall(1, "Dépôt passeport")).asks[0]
    hours = [{"start_at": "2026-11-24 09:00:00", "is_visible": True}]
    week = {"2026-11-24": {"date": "2026-11-24", "availabilities": hours}}
    (slot,) = answer("citopia", context(), ask, week).slots
    assert (slot.url, slot.place.label) == ("https://rendezvousonline.fr/alias/ville-86000-1", "Mairie 1")


@in_turn(
    "parameters, said",
    [
        ({"reason": "passport"}, "either structure or department_code"),
        ({"structure": 1, "department_code": "86", "reason": 1}, "either structure or department_code"),
        ({"structure": 1, "reason": "passport"}, "a number beside structure"),
        ({"department_code": "86", "reason": 1}, "words beside department_code"),
        ({"department_code": "20", "reason": "both"}, "no department's"),
        ({"department_code": "86", "reason": "both", "radius_km": 151}, "less than or equal to 150"),
    ],
)
def test_a_desk_is_one_town_hall_or_a_department(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CITOPIA.Parameters(**parameters)


def test_a_department_needs_a_point() -> None:
    with pytest.raises(ValueError, match="name a position"):
        CITOPIA.first_request(replace(context(), position=None))


@in_turn(
    "alias, department",
    [("ville-86100-2", "86"), ("ajaccio-20000", "2A"), ("bastia-20200", "2B"), ("cayenne-97300", "973"),
     ("sans-code", "")],
)  # fmt: skip
def test_a_town_halls_department_is_that_of_its_post_code(alias: str, department: str) -> None:
    assert department_of(alias) == department
