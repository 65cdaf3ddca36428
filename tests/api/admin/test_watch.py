"""Desks, hosts, checks and detections as operators see and control them."""

from datetime import timedelta
from typing import Any

import pytest

from api.models.check import Check
from api.models.desk import DeskChange, DeskState, DeskStatus, HostState
from configs.ground.clock import clock
from configs.world.outcome import Outcome
from tests.api.admin.conftest import audit
from tests.clients import Operator, problem
from tests.factories import BOBIGNY, add_alert, add_desk, add_match, get, rows, save, see

HOST = "127.77.0.93:8800"
PRESENCE, STALE = "bobigny_93/naturalisation", "bobigny_93/visa"


def ids(operator: Operator, path: str, **query: Any) -> list[Any]:
    return [each["id"] for each in operator.get(path, **query)["items"]]


def state(desk_id: str = BOBIGNY) -> DeskState:
    return get(DeskState, desk_id)


def check(at_seconds: float = -60, **values: Any) -> None:
    given = {
        "desk_id": BOBIGNY, "outcome": Outcome.NO_SLOTS, "evidence": "no slot", "milliseconds": 90, "requests": 2,
        "slots_seen": 0, "covered": [], "process": "host:17",
    }  # fmt: skip
    save(Check(started_at=clock() + timedelta(seconds=at_seconds), **(given | values)))


def test_desks_are_listed_by_prefecture_status_and_pause(admin: Operator) -> None:
    every = ids(admin, "/desks")
    assert every == sorted(every)
    assert {BOBIGNY, PRESENCE, STALE} <= set(every)
    assert ids(admin, "/desks", prefectureId="bobigny_93") == sorted([BOBIGNY, PRESENCE, STALE])
    add_desk(status=DeskStatus.ACTIVE, status_reason="watched")
    add_desk(PRESENCE, status=DeskStatus.CAPTCHA, paused_at=clock(), pause_reason="a test")
    assert ids(admin, "/desks", status="ACTIVE") == [BOBIGNY]
    assert ids(admin, "/desks", paused="true") == [PRESENCE]
    first = admin.get("/desks", limit=2)
    assert ids(admin, "/desks", after=first["next"]) == every[2:]


def test_a_desk_is_shown_with_what_operators_need(admin: Operator) -> None:
    add_desk(status=DeskStatus.ACTIVE, status_reason="watched", last_outcome=Outcome.NO_SLOTS)
    shown = admin.get(f"/desks/{BOBIGNY}")
    assert (shown["id"], shown["host"], shown["lastOutcome"]) == (BOBIGNY, HOST, "no_slots")
    for unknown in ("bobigny_93/nothing", "nowhere_00/titre-sejour", f"{'x' * 90}/y"):
        assert problem(admin.ask("GET", f"/desks/{unknown}")) == (404, "not-found")


def test_a_desk_is_paused_and_resumed_by_rows(admin: Operator) -> None:
    shown = admin.do("POST", f"/desks/{BOBIGNY}/pause", reason="its page changes tonight")
    assert shown["pauseReason"] == "its page changes tonight"
    assert state().paused_at is not None
    assert [(line.desk_id, line.reason) for line in rows(DeskChange)] == [
        (BOBIGNY, "desk paused by an operator")
    ]
    assert problem(admin.ask("POST", f"/desks/{BOBIGNY}/pause", json={"reason": "again"})) == (
        409,
        "desk-paused",
    )
    assert problem(admin.ask("POST", f"/desks/{BOBIGNY}/check")) == (409, "desk-paused")
    assert admin.do("POST", f"/desks/{BOBIGNY}/resume")["pausedAt"] is None
    assert (state().pause_reason, state().check_requested_at is not None) == (None, True)
    assert problem(admin.ask("POST", f"/desks/{BOBIGNY}/resume")) == (409, "desk-not-paused")
    assert [row.action for row in audit(subject_id=BOBIGNY)] == ["desk.pause", "desk.resume"]


def test_a_desk_that_is_not_watched_is_neither_paused_nor_checked(admin: Operator) -> None:
    for verb in ("pause", "check"):
        body = {"json": {"reason": "a test"}} if verb == "pause" else {}
        assert problem(admin.ask("POST", f"/desks/{STALE}/{verb}", **body)) == (409, "not-watched")
    assert rows(DeskState) == []


def test_a_check_is_asked_for_by_a_row_and_refused_where_the_host_is_stopped(admin: Operator) -> None:
    answer = admin.ask("POST", f"/desks/{BOBIGNY}/check")
    assert answer.status_code == 202
    assert state().check_requested_at is not None
    admin.do("POST", f"/hosts/{HOST}/stop", reason="they wrote to us")
    assert problem(admin.ask("POST", f"/desks/{BOBIGNY}/check")) == (409, "host-stopped")


def test_a_host_is_stopped_and_released_by_rows(admin: Operator) -> None:
    save(HostState(host=HOST, rests_in_a_row=3, budget_share=0.5))
    stopped = admin.do("POST", f"/hosts/{HOST}/stop", reason="they wrote to us")
    assert (stopped["stopReason"], stopped["restsInARow"], stopped["desks"]) == ("they wrote to us", 3, 2)
    again = admin.do("POST", f"/hosts/{HOST}/stop", reason="they called us too")
    assert again["stopReason"] == "they called us too"
    assert admin.do("POST", f"/hosts/{HOST}/go")["stoppedAt"] is None
    (row,) = rows(HostState)
    assert (row.stopped_at, row.stop_reason, row.rests_in_a_row, row.budget_share) == (None, None, 3, 0.5)
    assert problem(admin.ask("POST", f"/hosts/{HOST}/go")) == (409, "host-not-stopped")
    assert [row.action for row in audit(subject_id=HOST)] == ["host.stop", "host.stop", "host.go"]


def test_a_host_that_nothing_is_known_of_is_not_found(admin: Operator) -> None:
    for host in ("elsewhere:80", "x" * 250, HOST.upper() + "1"):
        assert problem(admin.ask("POST", f"/hosts/{host}/go")) == (404, "not-found")
        answer = admin.ask("POST", f"/hosts/{host}/stop", json={"reason": "a test"})
        assert problem(answer) == (404, "not-found")
    assert rows(HostState) == []


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201, "two\nlines", None, 7])
def test_a_reason_is_one_line(admin: Operator, reason: Any) -> None:
    for path in (f"/hosts/{HOST}/stop", f"/desks/{BOBIGNY}/pause"):
        assert problem(admin.ask("POST", path, json={"reason": reason})) == (422, "invalid")
    assert problem(admin.ask("POST", f"/hosts/{HOST}/stop")) == (422, "invalid")


def test_an_address_in_a_reason_does_not_reach_the_audit(admin: Operator) -> None:
    admin.do("POST", f"/hosts/{HOST}/stop", reason="webmaster.jean@prefecture.example.fr wrote to us")
    (row,) = audit(action="host.stop")
    assert "jean" not in str(row.changes)


def test_hosts_are_listed_in_the_order_of_their_names(admin: Operator) -> None:
    save(HostState(host="0.example:443", rests_until=clock() + timedelta(hours=1), rest_reason="blocked"))
    page = admin.get("/hosts", limit=1)
    assert [(each["host"], each["restReason"], each["desks"]) for each in page["items"]] == [
        ("0.example:443", "blocked", 0)
    ]
    others = admin.get("/hosts", after=page["next"])["items"]
    assert HOST in [each["host"] for each in others]


def test_checks_are_listed_by_desk_and_outcome_and_paged(admin: Operator) -> None:
    for number in range(5):
        check(-60 * number, evidence=f"page {number}")
    check(desk_id=PRESENCE, outcome=Outcome.BLOCKED)
    seen: list[str] = []
    before: int | None = None
    while True:
        query = {"before": before} if before else {}
        page = admin.get("/checks", deskId=BOBIGNY, limit=2, **query)
        seen += [each["evidence"] for each in page["items"]]
        before = page["next"]
        if before is None:
            break
    assert seen == [f"page {number}" for number in range(5)]
    (blocked,) = admin.get("/checks", outcome="blocked")["items"]
    assert (blocked["deskId"], blocked["milliseconds"]) == (PRESENCE, 90)
    assert admin.get("/checks", before=2**62)["items"] == []


def test_checks_of_all_desks_are_those_of_the_last_hours(admin: Operator) -> None:
    check(-3 * 3600)
    assert admin.get("/checks", hours=2)["items"] == []
    assert len(admin.get("/checks", hours=4)["items"]) == 1
    assert len(admin.get("/checks", hours=2, deskId=BOBIGNY)["items"]) == 1


@pytest.mark.parametrize(
    "query",
    [{"hours": 0}, {"hours": 745}, {"before": 0}, {"before": 2**63}, {"outcome": "fine"}, {"limit": "x"}],
)
def test_checks_are_not_searched_without_bounds(admin: Operator, query: dict[str, Any]) -> None:
    assert problem(admin.ask("GET", "/checks", query_string=query)) == (422, "invalid")


def test_detections_are_listed_with_their_slots_and_matches(admin: Operator, support: Operator) -> None:
    first, slots = see("2026-12-01", "2026-12-02")
    second, _ = see("open", desk_id=PRESENCE)
    add_match(add_alert(admin.id), first, slots)
    assert ids(support, "/detections") == [str(second), str(first)]
    assert ids(support, "/detections", prefectureId="bobigny_93", limit=1, before=str(second)) == [str(first)]
    (shown,) = support.get("/detections", deskId=BOBIGNY)["items"]
    assert (shown["slots"], shown["matches"], shown["matchedAt"]) == (2, 1, None)
    assert ids(support, "/detections", deskId="nowhere/else") == []


@pytest.mark.parametrize(
    "path", ["/hosts/%00/go", "/hosts/a%00:443/stop", "/desks/%00/x/check", "/desks/x/%00/pause"]
)
def test_a_name_that_no_table_can_hold_is_refused(admin: Operator, path: str) -> None:
    body = {"json": {"reason": "a test"}} if path.endswith(("stop", "pause")) else {}
    assert problem(admin.ask("POST", path, **body)) == (422, "invalid")
    assert audit() == []
