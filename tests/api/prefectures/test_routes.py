from collections.abc import Callable
from datetime import timedelta
from typing import Any

import time_machine
from flask.testing import FlaskClient

from api.models.desk import DeskStatus
from configs.ground.clock import clock
from tests.factories import BOBIGNY, add_desk, see

FIRST = "2026-12-01T08:30:00+00:00"


def listed(client: FlaskClient) -> dict[str, dict[str, Any]]:
    answer = client.get("/api/prefectures")
    assert answer.status_code == 200
    return {each["id"]: each for each in (answer.json or {})["items"]}


def shown(client: FlaskClient, prefecture_id: str = "bobigny_93") -> dict[str, Any]:
    answer = client.get(f"/api/prefectures/{prefecture_id}")
    assert answer.status_code == 200
    page: dict[str, Any] = answer.json or {}
    return page


def test_all_prefectures_are_listed_by_department(client: FlaskClient) -> None:
    assert list(listed(client)) == ["melun_77", "bobigny_93", "cergy_95"]


def test_a_prefecture_without_a_page_is_paused_and_says_why(client: FlaskClient) -> None:
    cergy = listed(client)["cergy_95"]
    assert (cergy["status"], cergy["statusReason"], cergy["desks"]) == ("PAUSED", "no known page", [])
    assert cergy["checkInterval"] == 120


def test_a_desk_that_nobody_checked_yet_says_so(client: FlaskClient) -> None:
    melun = listed(client)["melun_77"]
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


def test_a_desk_with_a_stale_address_is_shown_but_never_active(client: FlaskClient) -> None:
    add_desk("bobigny_93/visa", status=DeskStatus.ACTIVE, status_reason="long ago")
    desks = {desk["id"]: desk for desk in listed(client)["bobigny_93"]["desks"]}
    assert (desks["bobigny_93/visa"]["status"], desks["bobigny_93/visa"]["statusReason"]) == (
        "PAUSED",
        "its address is very old, or known to be dead",
    )
    assert desks["bobigny_93/naturalisation"]["watchLevel"] == "presence"


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


def test_a_newer_detection_does_not_hide_the_older_one_that_may_be_told(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    see(FIRST)
    frozen.shift(timedelta(minutes=90))
    see("2026-12-02T08:30:00+00:00")
    assert shown(client)["lastSlotFoundAt"] == "2026-11-20T09:00:00Z"
    assert len(shown(client)["recentDetections"]) == 1


def test_the_delay_is_a_setting(client: FlaskClient, settings_env: Callable[..., None]) -> None:
    settings_env(PUBLIC_DELAY_SECONDS="0")
    see(FIRST)
    assert len(shown(client)["recentDetections"]) == 1


def test_the_twenty_latest_detections_are_shown_newest_first(
    client: FlaskClient, settings_env: Callable[..., None]
) -> None:
    settings_env(PUBLIC_DELAY_SECONDS="0")
    began = clock() - timedelta(days=1)
    ids = [str(see("open", at=began + timedelta(minutes=each))[0]) for each in range(22)]
    assert [each["id"] for each in shown(client)["recentDetections"]] == ids[:1:-1]


def test_a_prefecture_that_does_not_exist_is_not_found(client: FlaskClient) -> None:
    for strange in ("bobigny_94", "%00", "x" * 3000, "..%2f..", "é"):
        answer = client.get(f"/api/prefectures/{strange}")
        assert answer.status_code == 404, strange
        assert answer.mimetype == "application/problem+json"
