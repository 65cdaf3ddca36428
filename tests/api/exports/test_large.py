"""An export of an account with 5,000 notifications: its time and its memory."""

import resource
import time
import tracemalloc
from datetime import timedelta

import pytest

from api.exports import jobs
from api.models.base import new_id
from api.models.notification import Match, Notification, Priority, State
from api.models.user import Channel
from configs.ground.clock import clock
from configs.ground.object_store import Blobs
from tests.api.exports.test_exports import ask, download, read
from tests.clients import Person
from tests.factories import add_alert, add_match, get, save_all, see

NUMBER = 5000
MOST_SECONDS, MOST_BYTES = 30.0, 100_000_000


def add_notifications(person: Person) -> None:
    """Write messages as alerts leave them, each with its match."""
    detection, slots = see("2099-01-05T09:00:00+01:00")
    announced = get(Match, add_match(add_alert(person.id), detection, slots)).announcement_id
    now = clock()
    ids = [new_id() for _ in range(NUMBER)]
    save_all(
        Notification(
            id=each, user_id=person.id, announcement_id=announced, channel=Channel.EMAIL, kind="slot_detected", priority=Priority.CRITICAL,
            params={"detection": str(detection), "slots": slots}, dedupe_key=f"slot:{each}", state=State.SENT,
            accepted_at=now - timedelta(minutes=1), next_attempt_at=now,
        )
        for each in ids
    )  # fmt: skip


def test_an_export_of_5000_notifications_takes_little_time_and_memory(camille: Person, blobs: Blobs) -> None:
    add_notifications(camille)
    ask(camille)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    assert jobs.make_exports() == {"made": 1}
    took = time.monotonic() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert took < MOST_SECONDS
    assert grown < MOST_BYTES
    assert len(read(download(camille), "notifications")) == NUMBER


@pytest.mark.journey
def test_an_export_holds_few_rows_in_memory(camille: Person, blobs: Blobs) -> None:
    add_notifications(camille)
    ask(camille)
    tracemalloc.start()
    try:
        jobs.make_exports()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MOST_BYTES / 4
