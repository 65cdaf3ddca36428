"""Checks as spiders yield them, for tests of what becomes of them."""

from dataclasses import replace
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import redis
import sqlalchemy as sa
import time_machine

from api.models.desk import DeskState
from api.models.slot import SlotRow
from configs.ground.clock import clock
from configs.world.desk import Outcome
from crawler.items import CheckItem
from crawler.reading import CoveredWindow, Place, Slot
from crawler.recording.check_transaction import Written, record_checks
from crawler.scheduling import due_queue
from crawler.scheduling.due_queue import DueEntry, HostBucket
from tests.factories import add_desk, rows

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
HOUR = datetime(2026, 12, 1, 8, 30, tzinfo=UTC)
HOST = "127.77.0.91:8800"


class Crawler:
    """As much of Scrapy's crawler as the dispatcher knows."""

    def __init__(self) -> None:
        self.engine = SimpleNamespace(running=True)


def slot(moment: datetime | date | None = HOUR, place: str = "23018") -> Slot:
    return Slot(Place(place, "Guichet A"), moment, seats=2)


def check(desk: str = "a", token: int | None = 1, *slots: Slot, **changes: Any) -> CheckItem:
    item = CheckItem(
        desk_id=f"evry_91/{desk}",
        token=token,
        started_at=NOW,
        seen_at=clock(),
        milliseconds=120,
        outcome=Outcome.SLOTS if slots else Outcome.NO_SLOTS,
        reason="the platform's own sentence",
        slots=slots,
        covered=(CoveredWindow(),),
        requests=3,
        error=None,
        retry_after=None,
        booking_url=f"http://{HOST}/booking/create/23014",
        process="test:1",
    )
    return replace(item, **changes)


def recorded(at: datetime, desk: str, token: int, *slots: Slot, **changes: Any) -> Written:
    """Let a check begin, end and be written at an instant."""
    with time_machine.travel(at, tick=False):
        return record_checks([check(desk, token, *slots, started_at=at, **changes)])


def open_after(found: CheckItem, token: int) -> tuple[Outcome, set[datetime]]:
    """Write what a spider found; return how it ended, and which hours are open from then on."""
    if not rows(DeskState, DeskState.id == found.desk_id):
        add_desk(found.desk_id)
    record_checks([replace(found, token=token)])
    return found.outcome, {each.starts_at for each in rows(SlotRow, SlotRow.gone_at.is_(None))}


ROOM = HostBucket(1000, 1000)


def entry(desk: str, host: str, gap: float = 0, due: datetime = NOW, **more: Any) -> DueEntry:
    """Return a desk for the queue, of a host that has room for whatever is asked unless `bucket` says otherwise."""
    given: dict[str, Any] = {"cost": 1, "bucket": ROOM}
    return DueEntry(desk, host, gap, due, **given | more)


HOLD = 25.0  # seconds that a claim lasts


def put(client: redis.Redis, *entries: DueEntry, system: str = "test") -> int:
    """Schedule desks; return how many were not in the queue."""
    return due_queue.send(client, due_queue.schedule(system, entries, now=NOW))


def take(
    client: redis.Redis, now: datetime = NOW, places: int = 10, system: str = "test"
) -> due_queue.ClaimResult:
    return due_queue.send(client, due_queue.claim_desks(system, now=now, places=places, hold=HOLD))


def queued_desks(client: redis.Redis, system: str) -> set[str]:
    """Return the desks in a queue; each host's robots.txt waits there, too."""
    return {each for each in due_queue.members(client, system) if not each.startswith("robots/")}


def refusal(
    code: str | None, *, kind: type[sa.exc.DBAPIError] = sa.exc.OperationalError
) -> sa.exc.DBAPIError:
    """Return an error as SQLAlchemy raises it, of this SQLSTATE."""
    cause = Exception("refused")
    cause.pgcode = code  # type: ignore[attr-defined] # as psycopg2's have it
    return kind("INSERT", {}, cause)
