"""A user's detections, the statistics of all for everybody, and links to proofs: who gets one, for how long, what it shows."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
import time_machine
from flask.testing import FlaskClient

from api.models.base import session
from api.models.slot import Detection, GoneReason, SlotRow
from configs.ground.clock import clock
from configs.ground.object_store import Blobs, StoreAway, proof_blobs
from configs.ground.proofs import BODY, META, PICTURE, Meta, fingerprint, new_key, pack
from configs.ground.signing import ShowProof, StopAlerts, sign, write_token
from tests.api.world import TOWN_HALLS, add_town_halls
from tests.clients import People, Person, read_json
from tests.factories import add_alert, add_match, change, get, see
from tests.in_turn import in_turn

pytestmark = pytest.mark.usefixtures("frozen")  # 10:00 in Paris: the public sees what is an hour old


def page(person: Person, **query: object) -> dict[str, Any]:
    return read_json(person.get("/api/detections", **query))


def matched(person: Person, *moments: str, seats: int | None = None) -> UUID:
    """Write a detection of these moments, all of which one alert of the person wants; return the detection."""
    detection, slots = see(*moments, seats=seats)
    add_match(add_alert(person.id), detection, slots)
    return detection


def test_a_detection_counts_and_shows_only_the_slots_that_the_user_waits_for(
    camille: Person, person: People
) -> None:
    detection, slots = see("2026-12-01T08:30:00+00:00", "2026-12-02T08:30:00+00:00", "2026-12-03")
    alert_id, robin = add_alert(camille.id), person("robin@example.org")
    add_match(alert_id, detection, slots[1:])
    add_match(add_alert(robin.id), detection, slots[2:])
    (shown,) = page(camille)["items"]
    assert (shown["slotsAvailable"], shown["slotDate"], shown["slotTime"]) == (2, "2026-12-02", "09:30")
    assert (shown["id"], shown["alertIds"]) == (str(detection), [str(alert_id)])
    _, found = show(robin, detection)
    assert [slot["date"] for slot in found["slots"]] == ["2026-12-03"]
    assert len(found["alertIds"]) == 1


def test_several_alerts_that_match_show_one_detection_and_each_slot_once(camille: Person) -> None:
    detection, slots = see("2026-12-01", "2026-12-02")
    alerts = {str(add_alert(camille.id)) for _ in range(2)}
    for alert_id in alerts:
        add_match(UUID(alert_id), detection, slots)
    (shown,) = page(camille)["items"]
    assert shown["slotsAvailable"] == 2
    assert set(shown["alertIds"]) == alerts


def test_the_first_slot_is_told_in_local_time_and_what_its_page_did_not_say_is_null(camille: Person) -> None:
    expected = [
        (["open"], None, None),
        (["2026-12-01"], "2026-12-01", None),
        (["2026-06-30T22:30:00+00:00"], "2026-07-01", "00:30"),
        (["2026-12-01", "2026-12-02T08:30:00+00:00"], "2026-12-01", None),
    ]
    for moments, _, _ in expected:
        matched(camille, *moments)
    detection, _ = see("2026-12-01T08:30:00+00:00")
    add_match(add_alert(camille.id), detection, [])  # without slots
    shown = [(each["slotDate"], each["slotTime"], each["slotsAvailable"]) for each in page(camille)["items"]]
    assert shown[::-1] == [*((day, hour, len(moments)) for moments, day, hour in expected), (None, None, 0)]


def show(person: Person, detection: UUID) -> tuple[int, dict[str, Any]]:
    answer = person.get(f"/api/detections/{detection}")
    return answer.status_code, answer.json


def test_a_departments_detection_names_the_town_halls_of_the_slots_that_its_user_waits_for(
    camille: Person, tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    add_town_halls(tmp_path, settings_env)
    detection, slots = see("2026-12-01", "2026-12-02", desk_id=TOWN_HALLS)
    for number, slot in enumerate(slots):
        url = f"https://example.org/{number}"
        change(SlotRow, SlotRow.id == slot, place_label=f"Mairie {number}", url=url)
    add_match(add_alert(camille.id), detection, slots[1:])
    for shown in (page(camille)["items"][0], show(camille, detection)[1]):
        assert (shown["site"], shown["bookingUrl"]) == ("Mairie 1", "https://example.org/1")
    add_match(add_alert(camille.id), detection, slots)
    (shown,) = page(camille)["items"]
    assert (shown["site"], shown["bookingUrl"]) == ("Mairie 0, Mairie 1", "http://127.77.3.3:8800/")


def test_each_slot_says_when_it_was_seen_and_gone(camille: Person) -> None:
    now = clock()
    moments = ("2026-12-01T08:30:00+00:00", "2026-12-02", "open")
    detection, slots = see(*moments, at=now, seats=2)
    add_match(add_alert(camille.id), detection, slots)
    gone = now + timedelta(minutes=4)
    change(Detection, proof_key=new_key(now))
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
    assert "/l/proof." in found["proof"]
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


MELUN = "melun_77/titre-sejour"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def stats(client: FlaskClient, path: str = "/api/detections/stats") -> dict[str, Any]:
    return read_json(client.get(path))


def test_detections_are_counted_in_total_and_today_by_prefecture(client: FlaskClient) -> None:
    see("open", at=at("2026-11-20 07:00"))
    see("open", at=at("2026-11-19 23:00"))  # midnight in Paris
    see("open", at=at("2026-11-19 22:59"))
    see("open", at=at("2025-01-01 12:00"))
    see("open", at=at("2026-11-01 12:00"), desk_id=MELUN)
    found = stats(client)
    assert (found["total"], found["today"]) == (5, 2)
    assert found["byPrefecture"] == [
        {"prefectureId": "bobigny_93", "total": 4, "today": 2},
        {"prefectureId": "cergy_95", "total": 0, "today": 0},
        {"prefectureId": "melun_77", "total": 1, "today": 0},
    ]


def test_they_are_told_with_the_public_delay(client: FlaskClient, frozen: time_machine.Traveller) -> None:
    see("open", at=at("2026-11-20 08:30"))
    assert stats(client)["total"] == 0
    frozen.shift(1800 + 1)
    assert stats(client)["total"] == 1


def test_counts_are_a_minute_old_at_most(client: FlaskClient, frozen: time_machine.Traveller) -> None:
    see("open", at=at("2026-11-18 12:00"))
    assert stats(client)["total"] == 1
    see("open", at=at("2026-11-19 12:01"))
    frozen.shift(66)
    assert stats(client)["total"] == 2
    frozen.shift(3600 * 40)
    assert (stats(client)["total"], stats(client)["today"]) == (2, 0)


def test_a_prefecture_that_left_the_files_still_counts_and_figures_for_everybody_add_the_desks(
    client: FlaskClient,
) -> None:
    see("open", at=at("2026-11-18 12:00"), desk_id="gone_99/desk")
    found = stats(client)
    assert found["total"] == 1
    assert {"prefectureId": "gone_99", "total": 1, "today": 0} in found["byPrefecture"]
    found = stats(client, "/api/stats")
    assert (found["total"], found["today"], len(found["byPrefecture"])) == (1, 0, 4)
    assert found["desks"] == {"full": 2, "people": 1, "presence": 1, "none": 1}


PAGE = "<html><script>alert(1)</script>Évry".encode("latin-1")
PNG = b"\x89PNG\r\n\x1a\n not really"


@pytest.fixture
def blobs(settings_env: Callable[..., None], tmp_path: Path) -> Blobs:
    settings_env(STATE_DIR=tmp_path)
    return proof_blobs()


def proven(key: str | None = None) -> UUID:
    """Write a detection with a proof's key; return it."""
    detection, _ = see("2026-12-01T08:30:00+00:00")
    change(Detection, Detection.id == detection, proof_key=key or new_key(clock()))
    return detection


def keep(blobs: Blobs, detection: UUID, *, picture: bool = True, **changes: Any) -> Meta:
    given: dict[str, Any] = {
        "key": (get(Detection, detection).proof_key or ""), "desk": "bobigny_93/titre-sejour", "platform": "ezbooking", "outcome": "slots",
        "evidence": "1 moment", "seen_at": clock(), "url": "https://www.example.fr/<b>?a=1", "status": 200,
        "headers": {}, "sha256": fingerprint(PAGE), "size": len(PAGE), "time_zone": "Indian/Reunion", "asked": {},
    }  # fmt: skip
    meta = Meta(**given | changes)
    blobs.put(f"{meta.key}/{META}", meta.model_dump_json().encode())
    blobs.put(f"{meta.key}/{BODY}", pack(PAGE))
    if picture:
        blobs.put(f"{meta.key}/{PICTURE}", PNG)
    return meta


def link(detection: UUID) -> str:
    return f"/l/{write_token(ShowProof(detection))}"


def shown(person: Person) -> list[str | None]:
    answer = person.get("/api/detections")
    return [each["proof"] for each in (answer.json or {})["items"]]


@pytest.mark.rule("4.9")
def test_who_may_see_a_detection_gets_a_link_and_nobody_else(
    client: FlaskClient, person: People, frozen: time_machine.Traveller
) -> None:
    camille, robin = person(), person("robin@example.org")
    detection, slots = see("2026-12-01T08:30:00+00:00")
    add_match(add_alert(camille.id), detection, slots)
    assert shown(camille) == [None]
    change(Detection, Detection.id == detection, proof_key=new_key(clock()))
    (found,) = shown(camille)
    assert found
    assert found.startswith("http://localhost:4000/l/proof.")
    assert shown(robin) == []
    frozen.shift(3601)
    public = client.get("/api/prefectures/bobigny_93").json or {}
    assert [each["proof"] for each in public["recentDetections"]] == [None]


def test_a_link_leads_to_the_page_its_picture_and_its_source(
    client: FlaskClient, camille: Person, blobs: Blobs, frozen: time_machine.Traveller
) -> None:
    detection, slots = see("2026-12-01T08:30:00+00:00")
    add_match(add_alert(camille.id), detection, slots)
    change(Detection, Detection.id == detection, proof_key=new_key(clock()))
    keep(blobs, detection)
    (found,) = shown(camille)
    page = client.get((found or "").removeprefix("http://localhost:4000"))
    assert page.status_code == 200
    assert "20/11/2026 à 13:00:00" in page.text
    assert fingerprint(PAGE) in page.text
    assert "https://www.example.fr/&lt;b&gt;?a=1" in page.text
    picture, source = re.findall(r'(?:src|href)="(/l/proof\.[^"?]+)"', page.text)
    assert "img-src 'self'" in page.headers["Content-Security-Policy"]
    answer = client.get(picture)
    assert (answer.data, answer.mimetype) == (PNG, "image/png")
    answer = client.get(source)
    assert fingerprint(answer.data) == fingerprint(PAGE)
    assert answer.mimetype == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.rule("4.9")
def test_after_an_hour_a_link_is_refused_and_the_next_one_is_good(
    client: FlaskClient, blobs: Blobs, frozen: time_machine.Traveller
) -> None:
    detection = proven()
    keep(blobs, detection)
    old = link(detection)
    frozen.shift(timedelta(hours=1))
    assert client.get(old).status_code == 200
    frozen.shift(1)
    for part in ("", "/picture", "/source"):
        answer = client.get(old + part)
        assert answer.status_code == 410
        assert "expiré" in answer.text
        assert client.get(link(detection) + part).status_code == 200


@in_turn("part", ["", "/picture", "/source"])
def test_a_token_of_anything_else_opens_no_proof(client: FlaskClient, blobs: Blobs, part: str) -> None:
    detection = proven()
    keep(blobs, detection)
    good = link(detection)
    strange = (
        write_token(StopAlerts((detection,))).replace("stop.", "proof."),
        "proof." + sign("proof", ["x"], "link_key"),
    )
    for token in ("x", good[3:-1], *strange):
        assert client.get(f"/l/{token}{part}").status_code == 400


def test_a_proof_that_is_not_there_says_so(client: FlaskClient, blobs: Blobs) -> None:
    detection = proven()
    for part in ("", "/picture", "/source"):
        answer = client.get(link(detection) + part)
        assert answer.status_code == 404
        assert "pas encore enregistrée" in answer.text
    assert client.get(link(uuid4())).status_code == 404
    assert client.get(link(see("2026-12-02")[0])).status_code == 404
    assert client.get(link(proven("../../etc/passwd"))).status_code == 404


def test_a_proof_without_a_picture_or_a_page_shows_what_there_is(client: FlaskClient, blobs: Blobs) -> None:
    detection = proven()
    keep(blobs, detection, picture=False, refused="it repeats ANTS_TOKEN")
    page = client.get(link(detection))
    assert page.status_code == 200
    assert "pas (encore)" in page.text
    assert "pas été conservée" in page.text
    assert "ANTS_TOKEN" not in page.text
    source = client.get(f"{link(detection)}/source")
    assert (source.status_code, "confidentielle" in source.text) == (404, True)


def test_a_store_that_is_away_is_an_answer_of_its_own(
    client: FlaskClient, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> bytes:
        raise StoreAway("PROOFS_URL refuses")

    monkeypatch.setattr(Blobs, "get", away)
    answer = client.get(link(proven()))
    assert answer.status_code == 503
    assert "PROOFS_URL" not in answer.text
    assert answer.headers["Retry-After"]


def test_what_is_kept_no_longer_has_no_link(camille: Person, frozen: time_machine.Traveller) -> None:
    detection, slots = see("2026-12-01T08:30:00+00:00")
    add_match(add_alert(camille.id), detection, slots)
    change(Detection, Detection.id == detection, proof_key=new_key(clock() - timedelta(days=30)))
    assert shown(camille) != [None]
    frozen.shift(timedelta(days=1))
    assert shown(camille) == [None]
