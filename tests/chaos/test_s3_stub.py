"""The S3 stub as the product's own client sees it, and the proofs that it holds."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from configs.object_store import Blobs, StoreAway, proof_blobs
from configs.proofs import BODY, META, fingerprint, new_key, pack
from crawler.proofs.writer import meta_of
from deploy.chaos.s3_stub import S3Stub, StoreMode
from tests.crawler.checks import NOW
from tests.crawler.proofs.made import PAGE, proof

KEY = new_key(NOW)


@pytest.fixture
def store(tmp_path: Path, settings_env: Callable[..., None]) -> S3Stub:
    made = S3Stub(tmp_path)
    settings_env(**made.environment)
    return made


@pytest.fixture
def blobs(store: S3Stub) -> Blobs:
    return proof_blobs()


def leave(blobs: Blobs, page: bytes = PAGE) -> None:
    meta = meta_of(proof(KEY))
    assert meta.sha256 == fingerprint(PAGE)
    blobs.put(f"{KEY}/{BODY}", pack(page))
    blobs.put(f"{KEY}/{META}", meta.model_dump_json().encode())


def test_it_holds_what_came_whole_and_as_it_was_fetched(store: S3Stub, blobs: Blobs) -> None:
    assert not store.holds(KEY)
    blobs.put(f"{KEY}/{BODY}", pack(PAGE))
    assert not store.holds(KEY)
    leave(blobs)
    assert store.holds(KEY)
    leave(blobs, page=b"another page")
    assert not store.holds(KEY)


def test_there_is_nothing_old_in_it(blobs: Blobs) -> None:
    assert blobs.names() == []


@pytest.mark.parametrize("mode", [StoreMode.REFUSE, StoreMode.FULL])
def test_what_it_refuses_is_trouble_and_not_kept(store: S3Stub, blobs: Blobs, mode: StoreMode) -> None:
    with store.answering(mode):
        with pytest.raises(StoreAway, match="PROOFS_URL"):
            leave(blobs)
        assert store.asked
    assert not store.holds(KEY)
    leave(blobs)
    assert store.holds(KEY)


def test_a_disk_that_fails_below_it_is_a_store_without_room(
    store: S3Stub, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "keep", fails)
    with pytest.raises(StoreAway, match="PROOFS_URL"):
        leave(blobs)


def test_while_it_hangs_nothing_is_answered_and_afterwards_all_is_kept(store: S3Stub, blobs: Blobs) -> None:
    putting = threading.Thread(target=leave, args=(blobs,))
    with store.answering(StoreMode.HANG):
        putting.start()
        with store._changed:
            assert store._changed.wait_for(lambda: store.asked, 60)
        assert putting.is_alive()
        assert not store.holds(KEY)
    putting.join(60)
    assert store.holds(KEY)
