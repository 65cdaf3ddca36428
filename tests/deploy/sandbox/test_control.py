"""The control API: what it does, and what it says to a wrong call."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.sandbox.modes import MODES
from deploy.sandbox.platforms.ezbooking import PLATFORM
from deploy.sandbox.running import Running

Visit = Callable[[str | int], Any]
SOON = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0)


def slots(visitor: Any, form: int, planning: int) -> list[str]:
    state = visitor.get("/_control").json
    return next(
        place["slots"]
        for each in state["forms"]
        if each["form"] == form
        for place in each["plannings"]
        if place["planning"] == planning
    )


def test_slots_are_opened_and_taken_at_given_instants(visit: Visit) -> None:
    visitor = visit(91)
    at = [(SOON + timedelta(hours=hours)).isoformat() for hours in (2, 0)]
    opened = visitor.post("/_control/open", {"form": 23014, "planning": 23200, "at": at}).json["slots"]
    assert [datetime.fromisoformat(slot) for slot in opened] == [SOON, SOON + timedelta(hours=2)]
    assert slots(visitor, 23014, 23200) == opened
    assert slots(visitor, 23014, 23018) == []
    taken = visitor.post("/_control/take", {"form": 23014, "at": [at[0]]}).json["slots"]
    assert taken == opened[1:]
    assert visitor.post("/_control/take", {"form": 23014}).json["slots"] == opened[:1]
    assert slots(visitor, 23014, 23200) == []


def test_what_is_taken_twice_was_taken_once(visit: Visit) -> None:
    visitor = visit(77)
    visitor.post("/_control/open", {"form": 48803})
    assert len(visitor.post("/_control/take", {"form": 48803}).json["slots"]) == 1
    assert visitor.post("/_control/take", {"form": 48803}).json["slots"] == []


def test_a_count_opens_as_many_new_slots_in_the_first_planning(visit: Visit) -> None:
    visitor = visit(91)
    first = visitor.post("/_control/open", {"form": 23014, "count": 4}).json["slots"]
    second = visitor.post("/_control/open", {"form": 23014, "count": 4}).json["slots"]
    assert len({*first, *second}) == 8
    assert slots(visitor, 23014, 23018) == sorted({*first, *second}, key=datetime.fromisoformat)


def test_one_slot_is_opened_where_nothing_is_said(visit: Visit) -> None:
    assert len(visit(77).post("/_control/open", {"form": 48803}).json["slots"]) == 1


def test_the_state_counts_what_was_asked(visit: Visit) -> None:
    visitor = visit(77)
    for _ in range(3):
        visitor.get("/booking/create/48803/0")
    state = visitor.get("/_control").json
    assert state["site"] == "77"
    assert state["counters"] == {"requests": 3, "calendars": 0, "reservations": 0}


def test_the_requests_are_listed_without_control_calls(visit: Visit) -> None:
    visitor = visit(77)
    visitor.get("/booking/create/48803/0?x=1")
    visitor.get("/_control")
    visitor.get("/nothing")
    seen = visitor.get("/_control/requests").json
    assert [(one["method"], one["path"], one["status"]) for one in seen] == [
        ("GET", "/booking/create/48803/0?x=1", 200),
        ("GET", "/nothing", 404),
    ]
    moment = datetime.fromisoformat(seen[0]["at"])
    assert abs(datetime.now(UTC) - moment) < timedelta(seconds=30)


def test_a_mode_is_set_with_its_parameters_and_shown(visit: Visit) -> None:
    visitor = visit(93)
    answer = visitor.post("/_control/mode", {"mode": "ban", "requests": 5})
    assert answer.json == {"mode": "ban", "requests": 5, "seconds": 60, "minutes": 40, "count": None}
    assert visitor.get("/_control").json["mode"] == "ban"
    visitor.post("/_control/mode", {"mode": "captcha", "form": 9845, "count": 2})
    forms = {each["form"]: (each["mode"], each["count"]) for each in visitor.get("/_control").json["forms"]}
    assert forms == {9845: ("captcha", 2), 16105: ("normal", None)}


def test_reset_forgets_everything(visit: Visit, sandbox: Running) -> None:
    visitor = visit(77)
    sandbox.open_slots(77, 48803, count=3)
    sandbox.mode(77, "hang", seconds=0)
    visitor.get("/booking/create/48803/0")
    visitor.send("/booking/create/48803/0", condition="on", nextButton="x")
    state = visitor.post("/_control/reset").json
    assert state["counters"]["requests"] == 0
    assert state["mode"] == "normal"
    assert slots(visitor, 48803, 48804) == []
    assert visitor.get("/_control/requests").json == []
    assert visitor.get("/booking/create/48803/2").location == "/booking/create/48803/0"


PAST = "2020-01-01T09:00:00+01:00"


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("open", {}, 422, "form is missing"),
        ("open", {"form": "23014"}, 422, "form must be a whole number"),
        ("open", {"form": True}, 422, "form must be a whole number"),
        ("open", {"form": 1}, 404, "this site has no form 1"),
        ("open", {"form": 23014, "planning": 1}, 404, "form 23014 has no planning 1"),
        ("open", {"form": 23014, "at": ["2030-01-01T09:00:00"]}, 422, "with offset"),
        ("open", {"form": 23014, "at": ["soon"]}, 422, "'soon'"),
        ("open", {"form": 23014, "at": [5]}, 422, "not 5"),
        ("open", {"form": 23014, "at": 5}, 422, "at must be a list"),
        ("open", {"form": 23014, "at": [PAST]}, 422, "must lie in the future"),
        ("open", {"form": 23014, "count": 0}, 422, "count must be a whole number from 1"),
        ("open", {"form": 23014, "count": 100_000}, 422, "counter hours are left"),
        ("open", {"form": 23014, "count": 1, "at": [SOON.isoformat()]}, 422, "not both"),
        ("open", {"form": 23014, "when": 1}, 422, "unknown key 'when'"),
        ("take", {"form": 23014, "count": 1}, 422, "unknown key 'count'"),
        ("take", {"form": 7}, 404, "no form 7"),
        ("mode", {}, 422, "mode is missing"),
        ("mode", {"mode": 5}, 422, "mode must be a text"),
        ("mode", {"mode": "slow"}, 422, "unknown mode 'slow'"),
        ("mode", {"mode": "block", "form": 8}, 404, "no form 8"),
        ("mode", {"mode": "block", "count": 0}, 422, "count"),
        ("mode", {"mode": "block", "seconds": 3}, 422, "no parameter 'seconds'"),
        ("reset", {"now": True}, 422, "unknown key"),
        ("close", {}, 404, "no such action 'close'"),
        ("open", [1], 400, "must be a JSON object, not list"),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong(
    visit: Visit, path: str, body: object, status: int, words: str
) -> None:
    answer = visit(91).post(f"/_control/{path}", body)
    assert answer.status == status
    assert words in answer.json["error"]


@pytest.mark.parametrize("raw", [b"{", b"\xff", b"[" * 100_000, b'{"form":'])
def test_what_is_no_json_is_told_so(visit: Visit, raw: bytes) -> None:
    answer = visit(91).ask("POST", "/_control/open", raw)
    assert answer.status == 400
    assert answer.json["error"].startswith("the body is not JSON")


def test_wrong_values_name_the_right_ones(visit: Visit) -> None:
    visitor = visit(91)
    assert visitor.post("/_control/open", {"form": 1}).json["known"] == [23014]
    assert visitor.post("/_control/open", {}).json["known"] == [23014]
    assert visitor.post("/_control/open", {"form": 23014, "planning": 1}).json["known"] == [
        23018,
        23198,
        23199,
        23200,
        23201,
    ]
    assert visitor.post("/_control/mode", {"mode": "x"}).json["known"] == [*MODES, *PLATFORM.modes]
    assert visitor.post("/_control/close").json["known"] == ["open", "take", "mode", "reset"]
