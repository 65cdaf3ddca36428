"""Jobs that are due at an hour in Paris: across changes of its clocks, and once after an outage."""

from datetime import UTC, datetime, timedelta

import time_machine

from api.background import jobs
from api.background.turns import JOBS, find_last_due
from api.models.base import session
from api.models.job import JobResult
from api.models.notification import Notification
from api.models.user import Channel, Role
from configs.ground.clock import clock
from tests.api.background.conftest import run_due
from tests.api.operations.operators import add_operator
from tests.factories import add_job, rows
from tests.in_turn import in_turn

MORNING = JOBS["operations_digest"]


@in_turn(
    "now, due",
    [
        ("2026-11-20T07:59:59Z", "2026-11-19T08:00:00Z"),
        ("2026-11-20T08:00:00Z", "2026-11-20T08:00:00Z"),
        ("2026-11-20T22:59:59Z", "2026-11-20T08:00:00Z"),
        ("2026-11-20T23:30:00Z", "2026-11-20T08:00:00Z"),  # the next day in Paris
        ("2026-03-28T08:00:00Z", "2026-03-28T08:00:00Z"),
        ("2026-03-29T06:59:59Z", "2026-03-28T08:00:00Z"),
        ("2026-03-29T07:00:00Z", "2026-03-29T07:00:00Z"),  # 23 hours later
        ("2026-10-24T07:00:00Z", "2026-10-24T07:00:00Z"),
        ("2026-10-25T07:00:00Z", "2026-10-24T07:00:00Z"),
        ("2026-10-25T08:00:00Z", "2026-10-25T08:00:00Z"),  # 25 hours later
    ],
)
def test_a_daily_job_is_due_at_its_hour_in_paris(now: str, due: str) -> None:
    assert MORNING.find_due_time(datetime.fromisoformat(now)) == datetime.fromisoformat(due)
    assert MORNING.find_due_time(MORNING.find_next(datetime.fromisoformat(due))) > datetime.fromisoformat(due)


@in_turn("change", ["2026-03-29", "2026-10-25"])
def test_it_is_due_once_a_day_when_the_clocks_change(change: str) -> None:
    first = datetime.fromisoformat(change).replace(tzinfo=UTC) - timedelta(days=2)
    minutes = [first + timedelta(minutes=number) for number in range(4 * 24 * 60)]
    found = sorted({MORNING.find_due_time(each) for each in minutes})
    assert [f"{each:%m-%d}" for each in found[1:]] == [
        f"{first + timedelta(days=number):%m-%d}" for number in range(4)
    ]


def messages() -> list[Notification]:
    return sorted((each for each in rows(Notification)), key=lambda each: each.params["until"])


def test_a_server_that_was_down_at_nine_writes_the_digest_once_afterwards(
    done: list[str], frozen: time_machine.Traveller
) -> None:
    add_operator(Channel.TELEGRAM)
    frozen.move_to("2026-11-20T08:00:00Z")
    for moment in ("2026-11-20T08:00:00Z", "2026-11-22T14:00:00Z", "2026-11-22T14:05:00Z"):
        frozen.move_to(moment)
        run_due([MORNING])
    spans = [(each.params["since"][:16], each.params["until"][:16]) for each in messages()]
    assert spans == [
        ("2026-11-19T08:00", "2026-11-20T08:00"),
        ("2026-11-20T08:00", "2026-11-22T08:00"),  # what was missed is in one message
    ]
    frozen.move_to("2026-11-23T08:00:00Z")
    run_due([MORNING])
    assert len(messages()) == 3


def test_a_run_that_is_repeated_writes_no_second_message_and_all_go_to_admins_only(
    done: list[str], frozen: time_machine.Traveller
) -> None:
    for role in Role:
        add_operator(Channel.TELEGRAM, role=role)
    for name in ("operations_digest", "operations_report"):
        job = getattr(jobs, name)
        assert [job()["mails"] for _ in range(2)] == [1, 0]
        frozen.shift(timedelta(hours=1))


def test_the_time_of_a_message_begins_where_the_last_one_ended(
    done: list[str], frozen: time_machine.Traveller
) -> None:
    now, day = clock(), timedelta(days=1)

    def last() -> datetime:
        with session() as s:
            return find_last_due(s, "operations_digest", now)

    assert last() == now - day
    add_job("operations_digest", JobResult.DONE, now - 3 * day)
    add_job("operations_digest", JobResult.FAILED, now - day)
    assert last() == now - 3 * day
    frozen.shift(timedelta(days=30))
    now = clock()
    assert last() == now - 7 * day, "a week at most"
