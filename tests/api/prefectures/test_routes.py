"""Prefectures and their map: desks by place, their figures, the delay of public slots."""

import datetime as dt
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask.testing import FlaskClient

from api.models.base import session
from api.models.desk import DeskState, DeskStatus
from api.models.discovery import Drift, DriftReason
from api.models.watchability import Standing
from api.prefectures.watch_states import WatchStates, read_watch_states
from configs.ground.clock import clock
from configs.world.desk import Desk, Grade, Outcome, Procedure, WatchLevel
from tests.clients import read_json
from tests.desk_proofs import prove_desks
from tests.factories import BOBIGNY, add_desk, change, save, see
from tests.in_turn import in_turn

# a Friday, 10:00 in Paris: the public sees what is an hour old
pytestmark = pytest.mark.usefixtures("frozen")
FIRST = "2026-12-01T08:30:00+00:00"


def listed(client: FlaskClient) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in read_json(client.get("/api/prefectures"))["items"]}


def shown(client: FlaskClient, prefecture_id: str = "bobigny_93") -> dict[str, Any]:
    return read_json(client.get(f"/api/prefectures/{prefecture_id}"))


def test_all_prefectures_are_listed_by_department_and_say_why_they_are_paused(client: FlaskClient) -> None:
    found = listed(client)
    assert list(found) == ["melun_77", "bobigny_93", "cergy_95"]
    cergy, melun = found["cergy_95"], found["melun_77"]
    assert (cergy["status"], cergy["statusReason"], cergy["desks"]) == ("PAUSED", "no known page", [])
    assert cergy["checkInterval"] == 120
    assert (melun["status"], melun["statusReason"]) == ("PAUSED", "not checked yet")


def test_a_prefecture_is_as_well_as_its_best_desk(client: FlaskClient) -> None:
    now = clock()
    add_desk(status=DeskStatus.ERROR, status_reason="5 in a row", inconclusive=5, wished_seconds=30)
    add_desk(
        "bobigny_93/naturalisation", status=DeskStatus.CAPTCHA, status_reason="a captcha", last_check_at=now,
        wished_seconds=30, feasible_seconds=45,
    )  # fmt: skip
    bobigny = listed(client)["bobigny_93"]
    assert (bobigny["status"], bobigny["statusReason"]) == ("CAPTCHA", "a captcha")
    assert bobigny["consecutiveErrors"] == 0
    assert bobigny["checkInterval"] == 30
    assert bobigny["lastScrapedAt"] == now.isoformat().replace("+00:00", "Z")


def test_slots_are_told_to_the_public_an_hour_late(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    see(FIRST, "2026-12-01T09:00:00+00:00")
    add_desk(last_slot_at=clock())
    for minutes in (0, 59):
        frozen.move_to(f"2026-11-20T09:{minutes:02}:00+00:00")
        page = shown(client)
        assert page["recentDetections"] == []
        assert page["lastSlotFoundAt"] is None
        assert all(desk["lastSlotFoundAt"] is None for desk in page["desks"])
    frozen.move_to("2026-11-20T10:00:01+00:00")
    page = shown(client)
    assert page["lastSlotFoundAt"] == "2026-11-20T09:00:00Z"
    (told,) = page["recentDetections"]
    assert (told["slotsAvailable"], told["slotDate"], told["slotTime"]) == (2, "2026-12-01", "09:30")
    assert (told["deskId"], told["detectedAt"], told["proof"]) == (BOBIGNY, "2026-11-20T09:00:00Z", None)
    see("2026-12-02T08:30:00+00:00")
    frozen.shift(timedelta(minutes=30))
    page = shown(client)
    assert (page["lastSlotFoundAt"], page["recentDetections"]) == ("2026-11-20T09:00:00Z", [told])


def test_the_twenty_latest_detections_are_shown_newest_first(
    client: FlaskClient, settings_env: Callable[..., None]
) -> None:
    settings_env(PUBLIC_DELAY_SECONDS="0")
    began = clock() - timedelta(days=1)
    ids = [str(see("open", at=began + timedelta(minutes=each))[0]) for each in range(22)]
    assert [each["id"] for each in shown(client)["recentDetections"]] == ids[:1:-1]


def test_a_prefecture_that_does_not_exist_is_not_found_and_a_procedure_refused(client: FlaskClient) -> None:
    strange = dict.fromkeys(("bobigny_94", "%00", "x" * 3000, "..%2f..", "é"), 404)
    strange |= {f"map?{each}": 422 for each in ("procedure=titre", "procedure=", "procedure=%00", "zoom=3")}
    for path, status in strange.items():
        answer = client.get(f"/api/prefectures/{path}")
        assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), path


def read(client: FlaskClient, query: str = "") -> dict[str, dict[str, Any]]:
    return {
        tile["department"]: tile for tile in read_json(client.get(f"/api/prefectures/map{query}"))["items"]
    }


def test_every_department_has_a_tile_also_where_nothing_is_known(client: FlaskClient) -> None:
    tiles = read(client)
    assert len(tiles) == 101
    assert list(tiles) == sorted(tiles)
    assert tiles["2A"] == {
        "department": "2A", "row": 15, "column": 12, "prefectureId": None, "name": None, "desks": 0,
        "watchLevel": "none", "status": None, "notWatchable": None, "lastProvenAt": None, "sureUntil": None,
        "lastLookAt": None,
    }  # fmt: skip
    assert (tiles["95"]["prefectureId"], tiles["95"]["desks"]) == ("cergy_95", 0)


def test_a_department_is_as_well_as_its_best_desk_for_the_procedure(client: FlaskClient) -> None:
    add_desk(status=DeskStatus.ACTIVE)
    add_desk("bobigny_93/naturalisation", status=DeskStatus.CAPTCHA)
    shown = {
        word: tuple(
            read(client, f"?procedure={word}")["93"][key] for key in ("desks", "watchLevel", "status")
        )
        for word in ("TITRE_SEJOUR", "NATURALISATION", "VISA", "PASSEPORT")
    }
    assert shown == {
        "TITRE_SEJOUR": (2, "full", "ACTIVE"),
        "NATURALISATION": (1, "presence", "CAPTCHA"),
        "VISA": (1, "none", "PAUSED"),  # its address is stale
        "PASSEPORT": (0, "none", None),
    }


def test_a_page_that_closed_or_moved_cannot_be_watched(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    add_desk(last_outcome=Outcome.CLOSED)
    add_desk("melun_77/titre-sejour")
    save(Drift(desk_id="melun_77/titre-sejour", reason=DriftReason.SILENT, detail="x", starts_at=clock()))
    tiles = read(client)
    assert (tiles["93"]["watchLevel"], tiles["77"]["watchLevel"]) == ("presence", "people")
    add_desk(last_outcome=Outcome.NO_SLOTS)
    frozen.shift(timedelta(seconds=6))
    assert read(client)["93"]["watchLevel"] == "full"


def test_desks_whose_slots_are_seen_are_counted_by_procedure(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    def count(query: str = "") -> tuple[int, int, dict[str, int]]:
        answer: Any = client.get(f"/api/prefectures/map{query}").json
        return tuple(answer["seen"].values())

    assert count() == (0, 0, {})
    prove_desks()  # also the one behind a captcha answers, and is not counted
    add_desk("bobigny_93/naturalisation", last_proven_at=clock())
    assert count("?procedure=TITRE_SEJOUR") == (2, 2, {"TITRE_SEJOUR": 2})
    assert count("?procedure=NATURALISATION") == (0, 0, {})
    add_desk(last_outcome=Outcome.CLOSED)
    frozen.shift(timedelta(seconds=6))
    assert count() == (1, 1, {"TITRE_SEJOUR": 1})


def made(grade: Grade = Grade.CONFIRMED, watch: WatchLevel = WatchLevel.FULL) -> Desk:
    return Desk(
        prefecture_id="bobigny_93", slug="x", label="X", procedures=frozenset({Procedure.VISA}), platform="ezbooking",
        url="http://127.0.0.1/x", grade=grade, source="a test", date=dt.date(2026, 11, 20), watch=watch,
    )  # fmt: skip


@in_turn(
    "desk, status, reason",
    [
        (made(), DeskStatus.ACTIVE, "checked"),
        (made(watch=WatchLevel.PRESENCE), DeskStatus.ACTIVE, "checked"),
        (
            made(watch=WatchLevel.NONE),
            DeskStatus.PAUSED,
            "its page needs a login that we do not have",
        ),
        (made(grade=Grade.STALE), DeskStatus.PAUSED, "its address is very old, or known to be dead"),
        (made(grade=Grade.RETIRED), DeskStatus.PAUSED, "it does not exist any more"),
    ],
)
def test_what_cannot_be_watched_is_never_active(desk: Desk, status: DeskStatus, reason: str) -> None:
    state = DeskState(id=desk.id, status=DeskStatus.ACTIVE, status_reason="checked", inconclusive=0)
    answer = WatchStates({desk.id: state}, {}, {desk.id: Standing(desk, None)}).build_answer(desk)
    assert (answer.status, answer.status_reason) == (status, reason)


@in_turn(
    "text, failures, told",
    [
        ("watched: slots are open", 0, "watched"),
        ("watched: no slot is open", 0, "watched"),
        ("the site is overloaded", 1, "the site is overloaded"),
    ],
)
def test_the_public_does_not_read_off_the_reason_whether_slots_are_open_now(
    text: str, failures: int, told: str
) -> None:
    desk, now = made(), clock()
    state = DeskState(
        id=desk.id, status=DeskStatus.ACTIVE, status_reason=text, inconclusive=failures, last_check_at=now,
        last_proven_at=now - timedelta(minutes=failures),
    )  # fmt: skip
    seen = WatchStates({desk.id: state}, {}, {desk.id: Standing(desk, None)})
    assert seen.build_public_answer(desk).status_reason == told
    assert seen.build_answer(desk).status_reason == text


def test_a_release_is_told_until_it_has_been() -> None:
    desk, now = made(), clock()
    for ahead, told in ((60, now + timedelta(seconds=60)), (-1, None)):
        state = DeskState(id=desk.id, inconclusive=0, releases_at=now + timedelta(seconds=ahead))
        assert (
            WatchStates({desk.id: state}, {}, {desk.id: Standing(desk, None)})
            .build_public_answer(desk)
            .releases_at
            == told
        )


def test_a_page_that_moved_promises_no_release_until_it_is_found(database: str) -> None:
    desk, now = made(), clock()
    at = now + timedelta(hours=1)
    add_desk(desk.id, inconclusive=0, releases_at=at)

    def promised() -> object:
        with session() as rows:
            return read_watch_states(rows, [desk]).build_public_answer(desk).releases_at

    save(Drift(desk_id=desk.id, reason=DriftReason.SILENT, detail="x", starts_at=now - timedelta(hours=1)))
    save(Drift(desk_id="bobigny_93/y", reason=DriftReason.SILENT, detail="x", starts_at=now))
    assert promised() is None
    change(Drift, ends_at=now)
    assert promised() == at
    add_desk(desk.id, last_outcome=Outcome.CLOSED)
    assert promised() is None
