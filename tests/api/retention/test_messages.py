"""Old messages lose texts and addresses; their figures stay."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from api.background import jobs
from api.models.base import new_id, session
from api.models.job import JobResult, JobState
from api.models.notification import Notification, Priority, State
from api.models.user import Channel
from api.paging import first_id_at
from api.retention import batches
from configs.ground.clock import clock
from notifier.dead_letters import replay
from tests.clients import People
from tests.factories import add_job, change, get, remove, save

pytestmark = pytest.mark.usefixtures("database", "frozen")
FIGURES = (
    "kind",
    "channel",
    "state",
    "reason",
    "cost",
    "attempts",
    "created_at",
    "accepted_at",
    "dedupe_key",
)


def write(age: float, user_id: UUID | None = None, **columns: Any) -> UUID:
    """Write a message that is so many days old."""
    at = clock() - timedelta(days=age)
    made = UUID(int=first_id_at(at).int | new_id().int & (1 << 64) - 1)
    values: dict[str, Any] = {
        "state": State.SENT, "params": {"to": "old@example.org"}, "title": "Adresse", "text": "Changée.", "provider": "sendgrid", "provider_id": f"p{made}",
        "address": None if user_id else "visitor@example.org", "accepted_at": at,
    } | columns  # fmt: skip
    save(Notification(
        id=made, user_id=user_id, channel=Channel.EMAIL, kind="address_changed", priority=Priority.IMMEDIATE,
        dedupe_key=str(made), created_at=at, next_attempt_at=at, **values,
    ))  # fmt: skip
    return made


def read(made: UUID) -> Notification:
    return get(Notification, made)


def texts(made: UUID) -> tuple[Any, ...]:
    columns = (Notification.params, Notification.address, Notification.provider_id, Notification.text)
    with session() as s:
        return tuple(s.execute(sa.select(*columns, Notification.title).where(Notification.id == made)).one())


def test_a_message_loses_its_text_after_ninety_days_and_keeps_its_figures(
    person: People,
) -> None:
    user_id = person().id
    old, stranger, young = write(91, user_id), write(91), write(89, user_id)
    waiting = write(91, state=State.PENDING, accepted_at=None)
    before = [[getattr(read(each), name) for name in FIGURES] for each in (old, stranger)]
    assert jobs.apply_retention()["read"] == 3
    assert texts(old) == ({}, None, None, None, None)
    assert texts(stranger) == ({}, "", None, None, None)  # it has no user: the column must not be null
    assert [[getattr(read(each), name) for name in FIGURES] for each in (old, stranger)] == before
    assert texts(waiting)[1] == "visitor@example.org", "it is on its way"
    assert (texts(young)[0], texts(young)[3:]) == ({"to": "old@example.org"}, ("Changée.", "Adresse"))


def add_run(age: float, kept_days: int | None) -> None:
    """Write that the job was done for so many days ago, and how long messages were kept then."""
    counts = {} if kept_days is None else {batches.KEPT_SECONDS: kept_days * 86400}
    add_job(batches.JOB, JobResult.DONE, clock() - timedelta(days=age), counts=counts)


@pytest.mark.parametrize("kept_days", [90, None])
def test_none_is_skipped_where_the_time_became_shorter(
    settings_env: Callable[..., None], kept_days: int | None
) -> None:
    add_run(1, kept_days)
    settings_env(MESSAGES_KEPT_FOR="30d")
    made = [write(age) for age in (89, 60, 31, 29)]
    assert jobs.apply_retention() == {"read": 3, batches.KEPT_SECONDS: 30 * 86400, "failed": 0}
    assert [texts(each)[1] for each in made] == ["", "", "", "visitor@example.org"]


def test_a_run_goes_on_where_the_last_complete_one_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH", 2)
    made = [write(age) for age in (300, 200, 120, 99, 98, 91)]
    add_run(3, kept_days=90)
    change(JobState, failed_at=clock(), ended_at=clock())
    assert jobs.apply_retention()["read"] == 3  # those of a week before the end of that run, and later
    assert [texts(each)[1] for each in made] == ["visitor@example.org"] * 3 + [""] * 3
    remove(JobState)
    assert jobs.apply_retention()["read"] == 6  # as the first run does, and one after all rows are lost
    assert {texts(each)[1] for each in made} == {""}


def test_a_dead_letter_without_text_is_not_sent_again() -> None:
    dead: dict[str, Any] = {
        "state": State.FAILED,
        "reason": "refused",
        "accepted_at": None,
        "failed_at": clock(),
    }
    old, young = write(91, **dead), write(1, **dead)
    with session() as s:
        assert replay(s, [old, young], unsure=True) == [young]
