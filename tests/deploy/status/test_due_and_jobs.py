"""Status of the due queue and of the queues of jobs, from Redis."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import redis
import time_machine

from api.health.due_overview import Due, read_due
from api.health.queue_overview import read_jobs
from api.models.notification import Priority
from api.models.user import Channel
from configs.clock import clock
from crawler.scheduling import due_queue as crawl
from crawler.scheduling.due_queue import DueEntry, HostBucket, VisitEnd
from deploy.status import due, jobs
from notifier import match_nudge, nudges
from tests.deploy.status.conftest import FIRST, SECOND, THIRD

World = Callable[..., None]


WIDE = HostBucket(1000, 1000)


def schedule(*entries: tuple[str, str, float], room: HostBucket = WIDE, cost: int = 1) -> None:
    """Put desks into the queue: id, host, seconds from now."""
    with crawl.connect() as client:
        rows = [
            DueEntry(desk, host, 1.0, clock() + timedelta(seconds=ahead), cost, room)
            for desk, host, ahead in entries
        ]
        crawl.send(client, crawl.schedule("prefenligne", rows))


def said() -> str:
    return "\n".join(text.plain for text in due.lines(read_due()))


def test_nothing_scheduled_is_said(world: World) -> None:
    assert said() == "nothing is scheduled"


def test_desks_that_are_overdue_are_counted_with_the_latest(world: World) -> None:
    schedule((FIRST, "a:80", -2.5), (SECOND, "b:80", -0.5), (THIRD, "c:80", 9))
    assert read_due() == [Due("prefenligne", 3, 2, 2.5, 0, 0)]
    assert said() == "prefenligne: 3 desks, 2 overdue, by 2.5 s at most"


def test_a_desk_whose_host_rests_or_is_stopped_is_not_late(
    world: World, frozen: time_machine.Traveller
) -> None:
    schedule((FIRST, "a:80", -600), (SECOND, "b:80", -500), (THIRD, "c:80", -1))
    with crawl.connect() as client:
        crawl.send(client, crawl.rest({"a:80": clock() + timedelta(minutes=5)}, now=clock()))
        crawl.send(client, crawl.stop("b:80"))
    assert read_due() == [Due("prefenligne", 3, 1, 1.0, 2, 0)]
    assert "2 wait for their hosts" in said()
    frozen.shift(301)
    assert read_due()[0].held_back == 1


def test_a_desk_whose_host_is_visited_or_has_no_budget_left_is_not_late(
    world: World, frozen: time_machine.Traveller
) -> None:
    schedule((FIRST, "a:80", -9), (SECOND, "a:80", -8), room=HostBucket(6, 0.1), cost=5)
    with crawl.connect() as client:
        (claim,) = crawl.send(client, crawl.claim("prefenligne", now=clock(), places=9, hold=25)).claims
        assert read_due() == [Due("prefenligne", 2, 0, 0.0, 1, 0)]
        later = clock() + timedelta(seconds=60)
        crawl.send(
            client,
            crawl.finish("prefenligne", [VisitEnd(FIRST, claim.token, later, "a:80", clock())], now=clock()),
        )
    assert read_due()[0].held_back == 1  # one request is left, five are needed
    frozen.shift(39)
    assert read_due()[0].held_back == 1
    frozen.shift(2)
    assert read_due() == [Due("prefenligne", 2, 1, 49.0, 0, 0)]


def test_what_somebody_asked_for_is_counted(world: World, redis_server: redis.Redis) -> None:
    schedule((FIRST, "a:80", 9))
    redis_server.lpush("prefenligne:checks", FIRST)
    assert said() == "prefenligne: 1 desk, none overdue; 1 asked for"


def test_jobs_are_counted_by_queue_with_the_age_of_the_oldest(
    world: World, frozen: time_machine.Traveller
) -> None:
    match_nudge.match(uuid4())
    frozen.shift(7)
    match_nudge.match(uuid4())
    nudges.deliver([nudges.WaitingWork(uuid4(), Channel.SMS, Priority.BULK, None)])
    (text,) = jobs.lines(read_jobs())
    assert text.plain == "critical 2 (oldest 7.0 s) · many 0 · sms-bulk 1 (oldest 0.0 s) · payments 0"
