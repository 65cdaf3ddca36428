import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from configs.world.desk import Outcome
from configs.world.prefecture import prefectures
from crawler.parsing.websocket_frames import body_of
from crawler.platforms import platform
from crawler.reading import Reading, VisitContext
from crawler.visit_state import VisitResult
from tests.crawler import pages
from tests.crawler.pages import PARIS, answer, play
from tests.in_turn import in_turn

ANTS = platform("ants")

DESK = "https://rendezvouspasseport.ants.gouv.fr/"
API = "https://api.rendezvouspasseport.ants.gouv.fr/api/SlotsFromPosition"
LYON = {"longitude": 4.8357, "latitude": 45.764}
ROANNE = {"longitude": 4.0686, "latitude": 46.0334}


def visit(url: str = DESK, zone: ZoneInfo = PARIS, **parameters: Any) -> VisitContext:
    wanted = parameters or {"department_code": "69"}
    return pages.visit(url, name="ants", zone=zone, horizon=60, position=(45.749, 4.848), **wanted)


def hall(number: int, *hours: str) -> dict[str, Any]:
    slots = [{"datetime": hour, "callback_url": f"https://mairie.invalid/{hour}"} for hour in hours]
    return {"id": str(number), "name": f"Mairie {number}", "city_name": "LYON", "available_slots": slots}


def end(editors: int = 1, failed: int = 0) -> dict[str, Any]:
    return {"step": "end_of_search", "editors_number": editors, "editor_errors_number": failed}


def heard(*frames: Any, zone: ZoneInfo = PARIS) -> Reading:
    here = visit(zone=zone)
    body = body_of(frame if isinstance(frame, str) else json.dumps(frame) for frame in frames)
    return answer("ants", here, ANTS.first_request(here), body)


def test_a_department_is_asked_by_one_message_on_a_socket() -> None:
    ask = ANTS.first_request(visit())
    assert ask.url == f"wss{API.removeprefix('https')}Streaming"
    assert ask.until == "end_of_search"
    assert ask.json == {
        "reason": "CNI-PASSPORT",
        "documents_number": 1,
        "start_date": "2026-11-20",
        "end_date": "2027-01-19",
        "longitude": 4.848,
        "latitude": 45.749,
        "department_code": "69",
    }


def test_a_department_too_large_for_one_circle_is_asked_around_several_points() -> None:
    here = visit(department_code="69", positions=[LYON, ROANNE])
    first = ANTS.first_request(here)
    assert first.json | LYON | {"department_code": "69"} == first.json
    assert "radius_km" not in first.json
    none = f"[]\n{json.dumps(end())}".encode()
    led = answer("ants", here, first, none)
    assert (led.outcome, led.covered) == (None, ())
    assert led.asks[0].json == first.json | ROANNE
    last = answer("ants", here, led.asks[0], none)
    assert (last.outcome, last.asks) == (Outcome.NO_SLOTS, ())


def test_a_position_is_asked_by_a_plain_get_where_the_desk_says_so() -> None:
    ask = ANTS.first_request(visit(positions=[LYON], radius_km=5, streaming=False))
    assert (ask.url, ask.method, ask.json) == (API, "GET", None)
    assert ask.form == {
        "reason": "CNI-PASSPORT",
        "documents_number": "1",
        "start_date": "2026-11-20",
        "end_date": "2027-01-19",
        "longitude": "4.8357",
        "latitude": "45.764",
        "radius_km": "5",
    }


@in_turn(
    "url, api",
    [
        (f"{DESK}search?a=1", API),
        ("https://api.rendezvouspasseport.ants.gouv.fr/", API),
        ("http://127.0.0.1:8800/x", "http://127.0.0.1:8800/api/SlotsFromPosition"),
    ],
)
def test_the_api_answers_beside_the_site_and_a_stand_ins_where_it_is(url: str, api: str) -> None:
    assert ANTS.first_request(visit(url, positions=[LYON], streaming=False)).url == api


@pytest.mark.rule("3.11")
@in_turn(
    "url",
    [
        "https://rendezvouspasseport.ants.gouv.fr.evil.com/",
        "http://rendezvouspasseport.ants.gouv.fr/",
        "https://user@rendezvouspasseport.ants.gouv.fr/",
        "https://rendezvouspasseport.ants.gouv.fr:8443/",
        "https://www.essonne.gouv.fr/",
    ],
)
def test_our_token_goes_to_no_other_site(url: str) -> None:
    with pytest.raises(ValueError, match="is not the search of ANTS: write https://rendezvouspasseport"):
        ANTS.first_request(visit(url))


@in_turn(
    "parameters, said",
    [
        ({}, "department_code or positions"),
        ({"department_code": "99"}, "is no department's"),
        ({"department_code": "69", "streaming": False}, "by socket only"),
        ({"positions": [LYON], "streaming": False, "radius_km": 0.99}, "by socket only"),
        ({"department_code": "6"}, "department_code"),
        ({"positions": [LYON]}, "needs an address"),
        ({"positions": [{**LYON, "address": "Lyon"}]}, "address"),
        ({"positions": [{**LYON, "latitude": 91}], "streaming": False}, "latitude"),
        (
            {"positions": [LYON], "streaming": False, "radius_km": 31},
            "must be one of 0.99, 5, 10, 15, 20, 25, 30",
        ),
        ({"department_code": "69", "reason": "PERMIS"}, "'CNI', 'PASSPORT' or 'CNI-PASSPORT'"),
        ({"department_code": "69", "documents_number": 6}, "less than or equal to 5"),
        ({"department_code": "69", "token": "x"}, "Extra inputs"),
    ],
)
def test_parameters_that_the_server_would_refuse_are_refused_here(
    parameters: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        ANTS.Parameters(**parameters)


def test_one_hour_of_one_town_hall_is_one_slot_whoever_names_it() -> None:
    reading = heard(
        [hall(1, "2026-12-19T10:00Z")],
        [hall(1, "2026-12-19T10:00:00Z"), hall(2, "2026-12-19T10:00Z")],
        end(2),
    )
    assert [slot.place.key for slot in reading.slots] == ["mairie 1 / lyon", "mairie 2 / lyon"]
    assert reading.slots[0].place.label == "Mairie 1, LYON"
    assert reading.slots[0].url == "https://mairie.invalid/2026-12-19T10:00:00Z"


TOWN_HALL = {
    "name": "Mairie",
    "zip_code": "69001",
    "city_name": "LYON",
    "public_entry_address": "1 place Foch",
}
HOURS = {"available_slots": [{"datetime": "2026-12-19T10:00Z"}]}


@in_turn(
    "others, places",
    [
        ({"id": "4711"}, 1),
        ({"id": 4712, "name": "MAIRIE ", "zip_code": 69001, "city_name": "Lyon"}, 1),
        ({"name": "Mairie annexe"}, 2),
        ({"zip_code": "69002"}, 2),
        ({"city_name": "Bron"}, 2),
        ({"name": None}, 2),
        ({"name": None, "public_entry_address": None}, 2),
        ({"name": None, "zip_code": None, "city_name": None, "public_entry_address": None}, 2),
    ],
)
def test_a_town_hall_is_known_by_its_name_post_code_and_town(others: dict[str, Any], places: int) -> None:
    one = {"id": "201", **TOWN_HALL, **HOURS}
    reading = heard([one], [one | others], end(2))
    assert len({slot.place.key for slot in reading.slots}) == places
    assert len(reading.slots) == places


@pytest.mark.rule("3.2")
def test_a_search_that_asked_no_editor_proves_no_absence_however_many_there_are_elsewhere() -> None:
    nowhere = heard(end(25))
    assert (nowhere.outcome, nowhere.covered) == (Outcome.UNREADABLE, ())
    assert heard([], end(25)).outcome is Outcome.NO_SLOTS


def played(here: VisitContext, *bodies: Any) -> VisitResult:
    """Answer each request of a visit with the next body; a number is an error's status."""
    rest = iter(bodies)
    return play("ants", here, lambda _ask: next(rest, None))[0]


TWO: dict[str, Any] = {"positions": [LYON, ROANNE], "streaming": False}
HALL = [hall(1, "2026-12-19T10:00Z")]
LOST = {**hall(1), "available_slots": None}


@pytest.mark.rule("3.2")
@in_turn("bodies", [([],), (HALL,), ([], 500), (["x"], []), ([], ["x"]), ([LOST], HALL), (500, [])])
def test_nothing_is_covered_where_one_position_was_not_answered_in_full(bodies: tuple[Any, ...]) -> None:
    verdict = played(visit(**TWO), *bodies)
    assert verdict.covered == ()
    assert verdict.outcome is not Outcome.NO_SLOTS


def test_each_shipped_desk_is_one_search_for_several_at_once_make_a_full_hosts_minute_too_full() -> None:
    shipped = [desk for each in prefectures().values() for desk in each.desks if desk.platform == "ants"]
    assert len(shipped) > 100
    assert [desk.id for desk in shipped if len(desk.parameters.get("positions", ())) > 1] == []
