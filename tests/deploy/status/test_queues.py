"""The due queue and the queues of jobs, as they stand in Redis."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import redis
import time_machine

from configs.clock import clock
from crawler import due
from crawler.due import Bucket, Entry
from deploy.status import queues
from deploy.status.queues import Due
from notifier import nudges
from tests.deploy.status.conftest import FIRST, SECOND, THIRD

World = Callable[..., None]


def schedule(*entries: tuple[str, str, float]) -> None:
    """Put desks into the queue: id, host, seconds from now."""
    with due.connect() as client:
        room = Bucket(1000, 1000)
        rows = [
            Entry(desk, host, 1.0, clock() + timedelta(seconds=ahead), 1, room)
            for desk, host, ahead in entries
        ]
        due.send(client, due.schedule("prefenligne", rows))


def said() -> str:
    return "\n".join(text.plain for text in queues.due_lines(queues.read_due()))


def test_nothing_scheduled_is_said(world: World) -> None:
    assert said() == "nothing is scheduled"


def test_desks_that_are_overdue_are_counted_with_the_latest(world: World) -> None:
    schedule((FIRST, "a:80", -2.5), (SECOND, "b:80", -0.5), (THIRD, "c:80", 9))
    assert queues.read_due() == [Due("prefenligne", 3, 2, 2.5, 0, 0)]
    assert said() == "prefenligne: 3 desks, 2 overdue, by 2.5 s at most"


def test_a_desk_whose_host_rests_or_is_stopped_is_not_late(
    world: World, frozen: time_machine.Traveller
) -> None:
    schedule((FIRST, "a:80", -600), (SECOND, "b:80", -500), (THIRD, "c:80", -1))
    with due.connect() as client:
        due.send(client, due.rest({"a:80": clock() + timedelta(minutes=5)}, now=clock()))
        due.send(client, due.stop("b:80"))
    assert queues.read_due() == [Due("prefenligne", 3, 1, 1.0, 2, 0)]
    assert "2 wait for their hosts" in said()
    frozen.shift(301)
    assert queues.read_due()[0].held_back == 1


def test_what_somebody_asked_for_is_counted(world: World, redis_server: redis.Redis) -> None:
    schedule((FIRST, "a:80", 9))
    redis_server.lpush("prefenligne:checks", FIRST)
    assert said() == "prefenligne: 1 desk, none overdue; 1 asked for"


def test_jobs_are_counted_by_queue_with_the_age_of_the_oldest(
    world: World, frozen: time_machine.Traveller
) -> None:
    nudges.match(uuid4())
    frozen.shift(7)
    nudges.match(uuid4())
    (text,) = queues.job_lines(queues.read_jobs())
    assert text.plain == "critical 2 (oldest 7.0 s) · immediate 0 · scheduled 0 · bulk 0"
