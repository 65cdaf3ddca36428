"""Twenty days, all with the same load, played by a frozen clock: each table grows at its known rate and no more."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
import redis
import sqlalchemy as sa
import time_machine

from api.background.jobs import list_jobs
from api.models.all import RECORDS
from api.models.base import new_id, session
from api.models.check import Check, make_partitions
from api.models.desk import Outage, OutageReason
from api.models.incident import Incident
from api.models.job import JobResult, JobState
from api.models.login import EndedBecause, Login, PendingRegistration
from api.models.notice import Notice
from api.models.notification import State
from api.models.provider_event import ProviderEvent, ReceiptKind
from api.models.slot import GoneReason, SlotRow
from api.models.support import SupportRequest
from api.models.user import Contact
from api.paging import first_id_at
from configs.ground.clock import clock
from configs.world.outcome import Outcome
from tests.api.background.conftest import run_due
from tests.api.world import PREFECTURES
from tests.clients import People
from tests.factories import BOBIGNY, add_alert, add_desk, add_match, add_slot_message, change, rows, see

DAY = timedelta(days=1)
CHECKS, SLOTS = 24, 4  # of a day
# What a day of this load leaves for good: its rules say why (api/retention/rules.py).
GROWTH = {
    "detections": 1, "matches": 1, "notifications": 1,
    "check_days": 1, "outages": 1, "delivery_figures": 4,
}  # fmt: skip
BY_NAME = {each.__tablename__: each for each in RECORDS}


class World:
    """A desk, a person and their alert, and what a day writes about them."""

    def __init__(self, user_id: UUID) -> None:
        """Begin with nothing but them."""
        add_desk(BOBIGNY, due_queue="prefenligne", wished_seconds=60.0)
        change(Contact, verified_at=clock())
        self._user, self._alert = user_id, add_alert(user_id)

    def write_day(self) -> None:
        """Write what a day leaves."""
        begins = datetime.combine(clock().date(), time(), UTC)
        detection_id, slots = see(*(f"2099-01-{number + 1:02}" for number in range(SLOTS)), at=begins)
        match_id = add_match(self._alert, detection_id, slots)
        ended = {"state": State.DELIVERED, "delivered_at": begins, "provider": "sendgrid"}
        add_slot_message(begins, 1, self._user, match_id, **ended)
        gone = {"gone_at": begins + timedelta(hours=1), "gone_reason": GoneReason.TAKEN}
        with session() as s:
            s.execute(sa.update(SlotRow).where(SlotRow.id.in_(slots)).values(gone))
            s.add_all(self._list_rows(begins))

    def _list_rows(self, at: datetime) -> Iterable[Any]:
        for number in range(CHECKS):
            yield Check(
                started_at=at + timedelta(hours=number), desk_id=BOBIGNY, outcome=Outcome.NO_SLOTS, evidence="x",
                milliseconds=1, requests=1, slots_seen=0, covered=[], process="test",
            )  # fmt: skip
        yield Outage(
            desk_id=BOBIGNY, starts_at=at, ends_at=at + timedelta(hours=1), reason=OutageReason.UNREACHABLE
        )
        yield Notice(
            id=UUID(int=first_id_at(at).int | new_id().int & (1 << 64) - 1), user_id=self._user, kind="slot_detected",
            language="fr", title="t", body="b", created_at=at,
        )  # fmt: skip
        yield ProviderEvent(
            provider="sendgrid", event_id=str(new_id()), notification_ids=[], kind=ReceiptKind.DELIVERED, at=at,
            received_at=at, applied_at=at,
        )  # fmt: skip
        yield SupportRequest(email="x@example.org", message="Bonjour", created_at=at)
        yield Login(
            user_id=self._user, browser="", token_hash=str(new_id()), created_at=at, last_used_at=at, rotated_at=at,
            expires_at=at + 7 * DAY, proven_at=at, ended_at=at, ended_because=EndedBecause.LOGGED_OUT,
        )  # fmt: skip
        yield PendingRegistration(user_id=self._user, created_at=at)


def count_rows() -> dict[str, int]:
    with session() as s:
        return {
            name: s.scalar(sa.select(sa.func.count()).select_from(each)) or 0
            for name, each in BY_NAME.items()
        }


@pytest.fixture
def world(
    person: People,
    redis_server: redis.Redis,
    settings_env: Callable[..., None],
    frozen: time_machine.Traveller,
) -> World:
    """Begin 420 days before the server's today, with short periods."""
    settings_env(
        PREFECTURES_DIR=PREFECTURES, CHECKS_KEPT_FOR="11d", SLOTS_KEPT_FOR="11d", MESSAGES_KEPT_FOR="8d",
        RECEIPTS_KEPT_FOR="5d", SUPPORT_KEPT_FOR="9d", LOGIN_KEPT_FOR="6d",
    )  # fmt: skip
    with session() as s:
        today: date = s.scalar(sa.text("SELECT (now() AT TIME ZONE 'UTC')::date"))
    begins = datetime.combine(today, time(1), UTC) - 420 * DAY
    frozen.move_to(begins)
    with session() as s:
        make_partitions(s, begins.date())
    return World(person().id)


RETENTION = {"keep_partitions", "sum_days", "apply_retention", "analyze_tables"}


@pytest.mark.journey
def test_twenty_days_with_short_periods_leave_what_the_rules_leave(
    world: World, frozen: time_machine.Traveller
) -> None:
    jobs = [job for job in list_jobs() if job.name in RETENTION]

    def play(days: int) -> dict[str, int]:
        """Let days pass; each fourth the workers do what is due: what was missed between is made up once."""
        for number in range(days):
            world.write_day()
            frozen.shift(DAY)
            if number % 4 == 3:
                run_due(jobs)
        return count_rows()

    before, after = play(16), play(4)
    assert [row for row in rows(JobState) if row.result is JobResult.FAILED or row.error] == []
    assert rows(Incident) == []
    assert 11 * CHECKS <= after["checks"] <= 14 * CHECKS
    assert 11 * SLOTS <= after["slots"] <= 14 * SLOTS
    growing = {name for name in after if after[name] > before[name]}
    late = {"registrations"}  # kept for longer than these days
    assert growing - late == set(GROWTH)
