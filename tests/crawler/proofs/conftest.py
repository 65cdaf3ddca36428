"""A spool and a store of a test's own, both folders."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from configs.object_store import Blobs, StoreAway, proof_blobs
from crawler.proofs import upload_worker
from crawler.proofs.spool import Spool, spool


@pytest.fixture
def source(tmp_path: Path, settings_env: Callable[..., None], redis_server: redis.Redis) -> Spool:
    """Give an empty spool, next to `blobs`, and a Redis for the worker's counters."""
    settings_env(STATE_DIR=tmp_path / "state", PROOFS_SECONDS="0.01")
    return spool()


@pytest.fixture
def blobs(source: Spool) -> Blobs:
    return proof_blobs()


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the store take nothing, or take again: `away("yes")`."""
    real, refused = Blobs.put, [""]

    def put(self: Blobs, *given: Any) -> None:
        if refused[0]:
            raise StoreAway("PROOFS_URL refuses")
        real(self, *given)

    monkeypatch.setattr(Blobs, "put", put)
    monkeypatch.setattr(upload_worker, "_LONGEST_PAUSE", 0.01)
    return lambda yes: refused.__setitem__(0, yes)


@pytest.fixture
def no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_worker, "missing_browser", lambda: "none is installed")
