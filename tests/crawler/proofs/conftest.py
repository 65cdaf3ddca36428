"""A queue and a store of a test's own; what renders pages there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from configs.ground.object_store import Blobs, StoreAway, proof_blobs
from configs.ground.proofs import Meta
from crawler.proofs import job, screenshots


@pytest.fixture
def blobs(tmp_path: Path, settings_env: Callable[..., None], redis_server: redis.Redis) -> Blobs:
    """Give an empty store, beside an empty Redis."""
    settings_env(STATE_DIR=tmp_path / "state")
    return proof_blobs()


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the store take nothing, or take again: `away("yes")`."""
    real, refuses = Blobs.put, [""]

    def put(self: Blobs, *given: Any) -> None:
        if refuses[0]:
            raise StoreAway("PROOFS_URL refuses")
        real(self, *given)

    monkeypatch.setattr(Blobs, "put", put)
    return lambda yes: refuses.__setitem__(0, yes)


@pytest.fixture
def no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "missing_browser", lambda: "none is installed")


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Take the browser's place: what it is to do (`fails`), and how often it was asked."""
    doing: dict[str, Any] = {"fails": False, "asked": 0}

    @contextmanager
    def browsing() -> Iterator[None]:
        yield None

    def picture(_browser: None, _meta: Meta, _body: bytes) -> bytes:
        doing["asked"] += 1
        if doing["fails"]:
            raise screenshots.NoPicture("it died")
        return b"PNG"

    monkeypatch.setattr(screenshots, "browsing", browsing)
    monkeypatch.setattr(screenshots, "picture", picture)
    monkeypatch.setattr(job, "missing_browser", lambda: None)
    return doing
