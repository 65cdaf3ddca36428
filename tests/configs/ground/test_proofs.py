import gzip
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.ground import proof_queue, proofs
from configs.ground.object_store import Blobs, proof_blobs
from tests.in_turn import in_turn

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
BODY_TEXT = "<html>Évry".encode()


@pytest.fixture
def blobs(tmp_path: Path, settings_env: Callable[..., None]) -> Blobs:
    settings_env(PROOFS_URL=tmp_path / "kept")
    return proof_blobs()


def meta(body: bytes = BODY_TEXT, **changes: Any) -> proofs.Meta:
    given: dict[str, Any] = {
        "key": proofs.new_key(NOW), "desk": "evry_91/a", "platform": "ezbooking", "outcome": "slots", "evidence": "1 moment",
        "seen_at": NOW, "url": "https://www.essonne.gouv.fr/booking/create/1", "status": 200, "headers": {},
        "sha256": proofs.fingerprint(body), "size": len(body), "time_zone": "Europe/Paris", "asked": {},
    }  # fmt: skip
    return proofs.Meta(**given | changes)


def stored(blobs: Blobs, kept: proofs.Meta, body: bytes = BODY_TEXT) -> proofs.Meta:
    blobs.put(f"{kept.key}/{proofs.META}", kept.model_dump_json().encode())
    blobs.put(f"{kept.key}/{proofs.BODY}", proofs.pack(body))
    return kept


def test_keys_begin_with_their_day_in_utc_and_cannot_be_guessed() -> None:
    keys = {proofs.new_key(datetime.fromisoformat("2026-12-01T00:30:00+01:00")) for _ in range(100)}
    assert len(keys) == 100
    assert all(proofs.is_key(key) and key.startswith("2026/11/30/") and len(key) == 43 for key in keys)


@in_turn("text", ["", "2026/11/20", "../2026/11/20/" + "0" * 32, "2026/11/20/" + "g" * 32])
def test_anything_else_is_no_key(text: str) -> None:
    assert not proofs.is_key(text)


def test_a_proof_is_kept_to_the_end_of_its_last_day() -> None:
    key = proofs.new_key(NOW)
    assert proofs.is_kept(key, NOW + timedelta(days=30, hours=14), timedelta(days=30))
    assert not proofs.is_kept(key, NOW + timedelta(days=30, hours=15), timedelta(days=30))


@given(st.binary(max_size=2_000))
def test_any_body_comes_back_byte_for_byte(body: bytes) -> None:
    assert gzip.decompress(proofs.pack(body)) == body
    assert proofs.pack(body) == proofs.pack(body)


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(proofs.NoProof) as caught:
        act()
    return caught.value.reason


def test_what_is_not_there_or_not_what_was_fetched_says_so(blobs: Blobs) -> None:
    kept = stored(blobs, meta())
    another = stored(blobs, meta(), b"another")
    assert refusal(lambda: proofs.meta_of(blobs, proofs.new_key(NOW))) == "missing"
    assert refusal(lambda: proofs.picture_of(blobs, kept.key)) == "missing"
    assert refusal(lambda: proofs.body_of(blobs, meta())) == "missing"
    assert refusal(lambda: proofs.body_of(blobs, meta(refused="it repeats ANTS_TOKEN"))) == "refused"
    assert refusal(lambda: proofs.body_of(blobs, another)) == "damaged"


@in_turn("text", ["", "a b", "key 1 x", f"key 1 {10**18}", f"key 1 {10**30}", f"key 1 -{10**18}"])
def test_what_names_no_page_is_said_to_be_none_whatever_its_instant(text: str) -> None:
    with pytest.raises((ValueError, OverflowError, OSError)):
        proof_queue.PageName.parse(text)


@pytest.mark.parametrize("cut", [1, 12, -1])
def test_half_a_body_is_damaged(blobs: Blobs, cut: int) -> None:
    kept = stored(blobs, meta())
    blobs.put(f"{kept.key}/{proofs.BODY}", proofs.pack(BODY_TEXT)[:cut])
    with pytest.raises(proofs.NoProof, match="unpacked"):
        proofs.body_of(blobs, kept)


def test_days_that_are_over_are_forgotten_and_nothing_else(blobs: Blobs) -> None:
    kept = [
        stored(blobs, meta(key=proofs.new_key(NOW - timedelta(days=days)))) for days in (0, 1, 2, 20, 400)
    ]
    blobs.put("2020/notes.txt", b"somebody else's")
    assert proofs.forget_before(blobs, date(2026, 11, 19)) == 3
    left = [proofs.META in blobs.names(each.key) for each in kept]
    assert left == [True, True, False, False, False]
    assert blobs.get("2020/notes.txt")
    assert proofs.forget_before(blobs, date(2026, 11, 19)) == 0
