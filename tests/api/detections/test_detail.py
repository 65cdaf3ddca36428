from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from api.models.base import session
from api.models.slot import Detection, GoneReason, SlotRow
from configs.ground.clock import clock
from configs.ground.proofs import new_key
from tests.clients import People, Person
from tests.factories import add_alert, add_match, change, see


def show(person: Person, detection: UUID) -> tuple[int, dict[str, Any]]:
    answer = person.get(f"/api/detections/{detection}")
    found: dict[str, Any] = answer.json or {}
    return answer.status_code, found


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
    assert "/l/proof/" in proof


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
