import threading
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
import redis

import notifier
from configs.world.desk import Desk
from crawler.items import CheckItem
from crawler.recording import batch_writer
from tests.crawler.checks import HOST


@pytest.fixture
def nudged(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """Take the notifier's place: what it was told, in order."""
    told: list[UUID] = []
    monkeypatch.setattr(notifier, "detection_seen", told.append)
    return told


@pytest.fixture
def desks(redis_server: redis.Redis, planned_desks: Callable[..., dict[str, Desk]]) -> dict[str, Desk]:
    """Three desks with their rows, wished every 60 s."""
    return planned_desks(a=HOST, b=HOST, c="127.77.0.92:8800")


@pytest.fixture
def write(desks: dict[str, Desk], nudged: list[UUID]) -> Iterator[Callable[..., None]]:
    """Hand checks to a writer, wait until they are written."""

    def through(*checks: CheckItem) -> None:
        writer = batch_writer.Writer("prefenligne")
        with writer._changed:  # its thread takes them as one batch, however busy the machine is
            for each in checks:
                writer.put(each)
        writer.close(60)

    yield through
    assert not [thread for thread in threading.enumerate() if thread.name == "record"]
