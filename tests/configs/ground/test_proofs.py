import gzip
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.ground.object_store import Blobs, proof_blobs
from configs.ground.proofs import (
    BODY,
    META,
    PICTURE,
    Meta,
    NoProof,
    PageName,
    body_of,
    fingerprint,
    forget_before,
    has_picture,
    is_kept,
    is_key,
    meta_of,
    new_key,
    pack,
    picture_of,
)
from tests.in_turn import in_turn

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
BODY_TEXT = "<html>Évry".encode()


@pytest.fixture
def blobs(tmp_path: Path, settings_env: Callable[..., None]) -> Blobs:
    settings_env(PROOFS_URL=tmp_path / "kept")
    return proof_blobs()


def meta(body: bytes = BODY_TEXT, **changes: Any) -> Meta:
    given: dict[str, Any] = {
        "key": new_key(NOW), "desk": "evry_91/a", "platform": "ezbooking", "outcome": "slots", "evidence": "1 moment",
        "seen_at": NOW, "url": "https://www.essonne.gouv.fr/booking/create/1", "status": 200, "headers": {},
        "sha256": fingerprint(body), "size": len(body), "time_zone": "Europe/Paris", "asked": {},
    }  # fmt: skip
    return Meta(**given | changes)


def stored(blobs: Blobs, kept: Meta, body: bytes = BODY_TEXT) -> Meta:
    blobs.put(f"{kept.key}/{META}", kept.model_dump_json().encode())
    blobs.put(f"{kept.key}/{BODY}", pack(body))
    return kept


def test_keys_begin_with_their_day_in_utc_and_cannot_be_guessed() -> None:
    keys = {new_key(datetime.fromisoformat("2026-12-01T00:30:00+01:00")) for _ in range(100)}
    assert len(keys) == 100
    assert all(is_key(key) and key.startswith("2026/11/30/") and len(key) == 43 for key in keys)


@in_turn("text", ["", "2026/11/20", "../2026/11/20/" + "0" * 32, "2026/11/20/" + "g" * 32])
def test_anything_else_is_no_key(text: str) -> None:
    assert not is_key(text)


def test_a_proof_is_kept_to_the_end_of_its_last_day() -> None:
    key = new_key(NOW)
    assert is_kept(key, NOW + timedelta(days=30, hours=14), timedelta(days=30))
    assert not is_kept(key, NOW + timedelta(days=30, hours=15), timedelta(days=30))


@given(st.binary(max_size=2_000))
def test_any_body_comes_back_byte_for_byte(body: bytes) -> None:
    assert gzip.decompress(pack(body)) == body
    assert pack(body) == pack(body)


def test_a_stored_proof_is_read_back(blobs: Blobs) -> None:
    kept = stored(blobs, meta())
    assert meta_of(blobs, kept.key) == kept
    assert body_of(blobs, kept) == BODY_TEXT
    assert not has_picture(blobs, kept.key)
    blobs.put(f"{kept.key}/{PICTURE}", b"PNG")
    assert has_picture(blobs, kept.key)
    assert picture_of(blobs, kept.key) == b"PNG"


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(NoProof) as caught:
        act()
    return caught.value.reason


def test_what_is_not_there_or_not_what_was_fetched_says_so(blobs: Blobs) -> None:
    kept = stored(blobs, meta())
    another = stored(blobs, meta(), b"another")
    assert refusal(lambda: meta_of(blobs, new_key(NOW))) == "missing"
    assert refusal(lambda: picture_of(blobs, kept.key)) == "missing"
    assert refusal(lambda: body_of(blobs, meta())) == "missing"
    assert refusal(lambda: body_of(blobs, meta(refused="it repeats ANTS_TOKEN"))) == "refused"
    assert refusal(lambda: body_of(blobs, another)) == "damaged"


@in_turn("text", ["", "a b", "key 1 x", f"key 1 {10**18}", f"key 1 {10**30}", f"key 1 -{10**18}"])
def test_what_names_no_page_is_said_to_be_none_whatever_its_instant(text: str) -> None:
    with pytest.raises(ValueError, match=r"instant|unpack|literal"):
        PageName.parse(text)


@pytest.mark.parametrize("cut", [1, 12, -1])
def test_half_a_body_is_damaged(blobs: Blobs, cut: int) -> None:
    kept = stored(blobs, meta())
    blobs.put(f"{kept.key}/{BODY}", pack(BODY_TEXT)[:cut])
    with pytest.raises(NoProof, match="unpacked"):
        body_of(blobs, kept)


def test_days_that_are_over_are_forgotten_and_nothing_else(blobs: Blobs) -> None:
    kept = [stored(blobs, meta(key=new_key(NOW - timedelta(days=days)))) for days in (0, 1, 2, 20, 400)]
    blobs.put("2020/notes.txt", b"somebody else's")
    assert forget_before(blobs, date(2026, 11, 19)) == 3
    assert [has(blobs, each) for each in kept] == [True, True, False, False, False]
    assert blobs.get("2020/notes.txt")
    assert forget_before(blobs, date(2026, 11, 19)) == 0


def has(blobs: Blobs, kept: Meta) -> bool:
    return META in blobs.names(kept.key)
