"""Links to proofs: who gets one, for how long, and what it shows; a GET changes nothing."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from flask.testing import FlaskClient

from api.models.slot import Detection
from configs.ground.clock import clock
from configs.ground.object_store import Blobs, StoreAway, proof_blobs
from configs.ground.proofs import BODY, META, PICTURE, Meta, fingerprint, new_key, pack
from configs.ground.signed_links import ShowProof, StopAlerts, write_token
from configs.ground.signing import sign
from tests.clients import People, Person
from tests.factories import add_alert, add_match, change, get, see
from tests.in_turn import in_turn

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
