"""None"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from api.detections.queries import SlotSummary, _find_first_moment
from api.models.base import session
from api.models.slot import Detection, GoneReason, SlotRow
from configs.ground.clock import clock
from configs.ground.proofs import new_key
from tests.api.world import PREFECTURES
from tests.clients import People, Person
from tests.factories import add_alert, add_match, change, see


def page(person: Person, **query: object) -> dict[str, Any]:
    answer = person.get("/api/detections", **query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json or {}
    return found


def matched(person: Person, *moments: str, seats: int | None = None) -> UUID:
    """Write a detection of these moments, all of which one alert of the person wants; return the detection."""
    detection, slots = see(*moments, seats=seats)
    add_match(add_alert(person.id), detection, slots)
    return detection


def test_a_detection_counts_only_the_slots_that_the_user_waits_for(camille: Person) -> None:
    detection, slots = see("2026-12-01T08:30:00+00:00", "2026-12-02T08:30:00+00:00", "2026-12-03")
    alert_id = add_alert(camille.id)
    add_match(alert_id, detection, slots[1:])
    (shown,) = page(camille)["items"]
    assert (shown["slotsAvailable"], shown["slotDate"], shown["slotTime"]) == (2, "2026-12-02", "09:30")
    assert (shown["id"], shown["alertIds"]) == (str(detection), [str(alert_id)])


def test_a_match_without_slots_counts_none(camille: Person) -> None:
    detection, _ = see("2026-12-01T08:30:00+00:00")
    add_match(add_alert(camille.id), detection, [])
    (shown,) = page(camille)["items"]
    assert (shown["slotsAvailable"], shown["slotDate"], shown["slotTime"]) == (0, None, None)


def test_several_alerts_that_match_show_one_detection_and_each_slot_once(camille: Person) -> None:
    detection, slots = see("2026-12-01", "2026-12-02")
    alerts = {str(add_alert(camille.id)) for _ in range(2)}
    for alert_id in alerts:
        add_match(UUID(alert_id), detection, slots)
    (shown,) = page(camille)["items"]
    assert shown["slotsAvailable"] == 2
    assert set(shown["alertIds"]) == alerts


def test_an_hour_that_the_page_did_not_say_is_null(camille: Person) -> None:
    matched(camille, "open")
    matched(camille, "2026-12-01")
    dated, undated = page(camille)["items"]
    assert (dated["slotDate"], dated["slotTime"]) == ("2026-12-01", None)
    assert (undated["slotDate"], undated["slotTime"], undated["slotsAvailable"]) == (None, None, 1)


def test_pages_follow_each_other_without_gap_or_repetition(camille: Person) -> None:
    newest_first = [str(matched(camille, "open")) for _ in range(5)][::-1]
    seen: list[str] = []
    before: str | None = None
    while True:
        found = page(camille, limit=2, **({"before": before} if before else {}))
        seen += [each["id"] for each in found["items"]]
        before = found["next"]
        if before is None:
            break
    assert seen == newest_first


def test_detections_of_somebody_else_are_not_shown(person: People) -> None:
    camille, robin = person(), person("robin@example.org")
    detection = matched(camille, "2026-12-01")
    assert page(robin) == {"items": [], "next": None}
    assert page(robin, before=detection) == {"items": [], "next": None}


def test_slots_that_only_somebody_else_waits_for_are_not_counted(person: People) -> None:
    camille, robin = person(), person("robin@example.org")
    detection, slots = see("2026-12-01", "2026-12-02", "2026-12-03")
    add_match(add_alert(camille.id), detection, slots)
    add_match(add_alert(robin.id), detection, slots[2:])
    (shown,) = page(robin)["items"]
    assert (shown["slotsAvailable"], shown["slotDate"], len(shown["alertIds"])) == (1, "2026-12-03", 1)


@pytest.mark.parametrize(
    ("starts_at", "day", "expected"),
    [
        ("2026-06-30T22:30:00+00:00", None, ("2026-07-01", "00:30")),
        ("2026-12-02T08:30:00+00:00", "2026-12-01", ("2026-12-01", None)),
        ("2026-12-02T08:30:00+00:00", "2026-12-02", ("2026-12-02", "09:30")),
        (None, "2026-12-01", ("2026-12-01", None)),
        (None, None, (None, None)),
    ],
)
def test_the_first_slot_is_told_in_local_time(
    settings_env: Callable[..., None], starts_at: str | None, day: str | None, expected: tuple[object, object]
) -> None:
    settings_env(PREFECTURES_DIR=PREFECTURES)
    told = SlotSummary(
        1, datetime.fromisoformat(starts_at) if starts_at else None, date.fromisoformat(day) if day else None
    )
    found_day, hour = _find_first_moment(told, "bobigny_93")
    assert (found_day.isoformat() if found_day else None, hour) == expected
    assert _find_first_moment(told, "gone_99") == (found_day, hour)


def show(person: Person, detection: UUID) -> tuple[int, dict[str, Any]]:
    answer = person.get(f"/api/detections/{detection}")
    return answer.status_code, answer.json


def test_each_slot_says_when_it_was_seen_and_gone(camille: Person) -> None:
    now = clock()
    moments = ("2026-12-01T08:30:00+00:00", "2026-12-02", "open")
    detection, slots = see(*moments, at=now, seats=2)
    add_match(add_alert(camille.id), detection, slots)
    gone = now + timedelta(minutes=4)
    change(
        SlotRow,
        SlotRow.id == slots[0],
        seen_at=now + timedelta(minutes=3),
        gone_at=gone,
        gone_reason=GoneReason.TAKEN,
        place_label="Guichet 1",
    )
    status, found = show(camille, detection)
    assert (status, found["slotsAvailable"], found["id"]) == (200, 6, str(detection))
    timed, dated, unknown = found["slots"]
    assert (timed["date"], timed["time"], timed["place"], timed["seats"]) == (
        "2026-12-01",
        "09:30",
        "Guichet 1",
        2,
    )
    assert (timed["goneAt"], timed["goneReason"]) == (gone.isoformat().replace("+00:00", "Z"), "taken")
    assert timed["lastSeenAt"] > timed["openedAt"]
    assert (dated["date"], dated["time"], dated["goneAt"]) == ("2026-12-02", None, None)
    assert (unknown["date"], unknown["time"]) == (None, None)


def test_only_the_slots_that_the_user_waits_for_are_shown(person: People) -> None:
    camille, robin = person(), person("robin@example.org")
    detection, slots = see("2026-12-01", "2026-12-02", "2026-12-03")
    add_match(add_alert(camille.id), detection, slots)
    add_match(add_alert(robin.id), detection, slots[2:])
    _, found = show(robin, detection)
    assert [slot["date"] for slot in found["slots"]] == ["2026-12-03"]
    assert len(found["alertIds"]) == 1


def test_the_proof_is_a_link(camille: Person) -> None:
    detection, slots = see("2026-12-01")
    add_match(add_alert(camille.id), detection, slots)
    change(Detection, proof_key=new_key(clock()))
    proof = show(camille, detection)[1]["proof"]
    assert "/l/proof." in proof


def test_of_very_many_slots_the_first_are_shown(camille: Person) -> None:
    detection, slots = see(*(f"2027-{1 + n // 28 % 12:02}-{1 + n % 28:02}" for n in range(336)))
    add_match(add_alert(camille.id), detection, slots)
    with session() as s:
        s.execute(
            sa.text(
                "WITH more AS (INSERT INTO slots (desk_id, place_key, moment, url, opened_at, seen_at)"
                " SELECT desk_id, 'p'||n, moment, url, opened_at, seen_at FROM slots, generate_series(1, 1) n"
                " RETURNING id), seen AS (INSERT INTO detection_slots SELECT :detection, id FROM more)"
                " UPDATE matches SET slots = slots"
                " + (SELECT range_agg(int8multirange(int8range(id, id, '[]'))) FROM more)"
            ),
            {"detection": detection},
        )
    _, found = show(camille, detection)
    assert (found["slotsAvailable"], len(found["slots"])) == (672, 500)
    assert [slot["date"] for slot in found["slots"]] == sorted(slot["date"] for slot in found["slots"])
