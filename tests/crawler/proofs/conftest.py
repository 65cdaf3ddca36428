"""A queue and a store of a test's own; what renders pages there."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from playwright.sync_api import Error

from configs.ground.object_store import Blobs, StoreAway, proof_blobs
from configs.ground.proofs import Meta
from configs.world.desk import Desk
from crawler.items import CheckItem, PageCapture
from crawler.proofs import job, screenshots
from crawler.proofs.selection import Proof
from crawler.reading import Page, PageRequest, Reading, Slot, VisitContext
from tests.crawler.checks import NOW, check, slot
from tests.crawler.held import make_desk


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

    def take_picture(_meta: Meta, _body: bytes) -> bytes:
        doing["asked"] += 1
        if doing["fails"]:
            raise Error("it died")
        return b"PNG"

    monkeypatch.setattr(screenshots, "take_picture", take_picture)
    monkeypatch.setattr(job, "missing_browser", lambda: None)
    return doing


# Sights and proofs that no site showed


URL = "http://127.77.0.91:8800/booking/create/23014"
PAGE = "<html><title>Évry</title>Choisissez une heure".encode()


def capture(body: bytes = PAGE, *slots: Slot, url: str = URL, **headers: str) -> PageCapture:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    visit = VisitContext(URL, date(2026, 11, 20))
    return PageCapture.of(
        "ezbooking", Page(url, 200, body, visit, PageRequest(url), given), Reading(slots=slots)
    )


def seen(*captures: PageCapture, **changes: Any) -> CheckItem:
    return check(
        "a",
        changes.pop("token", 1),
        *changes.pop("slots", (slot(),)),
        captures=captures or (capture(PAGE, slot()),),
        **changes,
    )


def proof(
    key: str = "2026/11/20/" + "0" * 32,
    shown: PageCapture | None = None,
    desk: Desk | None = None,
    at: datetime = NOW,
) -> Proof:
    shown = shown or capture()
    return Proof(key, desk or make_desk(URL), seen(shown, seen_at=at), shown)
