"""Overviews of the status, part by part: alarms, desks, hosts, outages, queues, proofs, discovery, programs."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import redis
import time_machine
from rq import SimpleWorker

from api.admin.health.desks import read_desks, read_due, read_lateness
from api.admin.health.status_report import (
    read_alarms,
    read_discovery,
    read_hosts,
    read_spiders,
    read_workers,
)
from api.models.alert import ClosedBecause
from api.models.base import session
from api.models.desk import DeskStatus, HostState
from api.models.discovery import DiscoveryRun, Drift, DriftReason
from api.models.incident import IncidentReason
from api.models.slot import GoneReason, SlotRow
from configs.ground.clock import clock
from configs.ground.job_queues import queue
from configs.world.outcome import Outcome
from configs.world.prefecture import desks
from crawler.scheduling import due_queue as crawl
from crawler.scheduling.due_queue import DueEntry, HostBucket, VisitEnd
from tests.api.admin.health.conftest import FIRST, SECOND, THIRD
from tests.factories import add_alert, add_checks, add_incident, add_user, change, save, see

World = Callable[..., None]
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WIDE = HostBucket(1000, 1000)


def test_alarms_are_open_until_somebody_acknowledges_them(world: World) -> None:
    def alarm(subject: str, **columns: Any) -> int:
        told = {"alarm_kind": "desk_trouble", "alarm_params": {}, "told_at": clock()}
        return add_incident(IncidentReason.BLOCKED, subject, **(told | columns))

    first, second = alarm("a:443"), alarm("b:443")
    alarm("c:443", acknowledged_at=clock())
    alarm("d:443", ends_at=clock() + MINUTE)
    add_incident(IncidentReason.MAINTENANCE, "e:443")
    assert [each["id"] for each in read_alarms()["open"]] == [second, first]


def test_desks_are_counted_by_status_and_the_worst_troubles_come_first(world: World) -> None:
    world(FIRST, status_reason="the site is overloaded")
    world(SECOND, status=DeskStatus.PAUSED, status_reason="maintenance")
    world(THIRD, status=DeskStatus.ERROR, status_reason="no answer")
    world("atlantis_99/gone", status=DeskStatus.ERROR)  # left the files
    unplanned = sum(desk.schedulable for desk in desks().values()) - 3
    found = read_desks()
    assert found["by_status"] == {"ACTIVE": 1, "CAPTCHA": 0, "PAUSED": 1, "ERROR": 1, "UNPLANNED": unplanned}
    assert found["troubles"][0] == {"status": DeskStatus.ERROR, "reason": "no answer", "desks": [THIRD]}
    assert [trouble["desks"] for trouble in found["troubles"]] == [[THIRD], [SECOND], [FIRST]]


def test_open_slots_detections_and_alerts_are_counted(world: World) -> None:
    world(FIRST)
    now = clock()
    user = add_user()
    closed: dict[str, Any] = {"closed_at": now, "closed_because": ClosedBecause.DELETED}
    for columns in ({}, {"enabled": False}, closed):
        add_alert(user.id, **columns)
    _, slots = see("2026-12-01", "2026-12-02", "2026-12-03", desk_id=FIRST, at=now - 59 * MINUTE)
    see(desk_id=FIRST, at=now - 61 * MINUTE)
    change(SlotRow, SlotRow.id == slots[0], gone_at=now, gone_reason=GoneReason.TAKEN)
    found = read_desks()
    counted = ("open_slots", "open_desks", "detections_last_hour", "waiting_alerts")
    assert [found[name] for name in counted] == [2, 1, 1, 1]


def test_only_hosts_that_are_not_asked_as_usual_are_named(world: World) -> None:
    now = clock()
    save(HostState(host="a:443", rests_until=now - MINUTE, rest_reason="the site refused us"))
    save(HostState(host="b:443", budget_share=0.999))
    save(HostState(host="c:443", budget_share=0.5))
    save(HostState(host="d:443", rests_until=now + MINUTE, rest_reason="the site refused us"))
    save(HostState(host="e:443", stopped_at=now, stop_reason="they called us"))
    found = read_hosts()
    assert found["resting"] == [
        {"host": "d:443", "until": now + MINUTE, "reason": "the site refused us", "rests_in_a_row": 0}
    ]
    assert found["stopped"] == [{"host": "e:443", "since": now, "reason": "they called us"}]
    assert found["reduced"] == [{"host": "c:443", "share": 0.5}]


def schedule(*entries: tuple[str, str, float], room: HostBucket = WIDE, cost: int = 1) -> None:
    """Put desks into the queue: id, host, seconds from now."""
    with crawl.connect() as client:
        rows = [
            DueEntry(desk, host, 1.0, clock() + timedelta(seconds=ahead), cost, room)
            for desk, host, ahead in entries
        ]
        crawl.send(client, crawl.schedule("prefenligne", rows, now=clock()))


def test_overdue_desks_are_counted_unless_their_host_rests_or_is_stopped(
    world: World, redis_server: redis.Redis, frozen: time_machine.Traveller
) -> None:
    assert read_due() == []
    schedule((FIRST, "a:80", -600), (SECOND, "b:80", -500), (THIRD, "c:80", -2.5))
    redis_server.lpush("prefenligne:checks", FIRST)
    with crawl.connect() as client:
        crawl.send(client, crawl.rest({"a:80": clock() + 5 * MINUTE}, now=clock()))
        crawl.replace_stopped(client, ["b:80"])
    assert [list(each.values()) for each in read_due()] == [["prefenligne", 3, 1, 2.5, 2, 1]]
    frozen.shift(301)
    assert read_due()[0]["held_back"] == 1


def test_a_desk_whose_host_is_visited_or_has_no_budget_left_is_not_late(
    world: World, redis_server: redis.Redis, frozen: time_machine.Traveller
) -> None:
    schedule((FIRST, "a:80", -9), (SECOND, "a:80", -8), room=HostBucket(6, 0.1), cost=5)
    with crawl.connect() as client:
        (claim,) = crawl.send(client, crawl.claim("prefenligne", now=clock(), places=9, hold=25)).claims
        assert [list(each.values()) for each in read_due()] == [["prefenligne", 2, 0, 0.0, 1, 0]]
        visit = VisitEnd(FIRST, claim.token, clock() + MINUTE, "a:80", clock())
        crawl.send(client, crawl.finish("prefenligne", [visit], now=clock()))
    frozen.shift(39)
    assert read_due()[0]["held_back"] == 1  # one request is left, five are needed
    frozen.shift(2)
    assert [list(each.values()) for each in read_due()] == [["prefenligne", 2, 1, 49.0, 0, 0]]


def test_the_newest_walk_and_the_drifts_that_are_open_are_read(world: World) -> None:
    now = clock()
    assert read_discovery()["last"] is None
    with session() as s:
        for hours in (50, 4):
            started = now - hours * HOUR
            s.add(
                DiscoveryRun(started_at=started, ended_at=started + HOUR, pages=812, found=hours, cut=False)
            )
        s.add(Drift(desk_id=FIRST, reason=DriftReason.UNLINKED, detail="404", starts_at=now - HOUR))
        s.add(Drift(desk_id=SECOND, reason=DriftReason.SILENT, detail="led home", starts_at=now - 3 * HOUR))
        s.add(
            Drift(desk_id=FIRST, reason=DriftReason.SILENT, detail="x", starts_at=now - 9 * HOUR, ends_at=now)
        )
    found = read_discovery()
    assert list(found["last"].values()) == [now - 4 * HOUR, now - 3 * HOUR, False, 812, 4]
    assert [list(each.values()) for each in found["drifts"]] == [
        [SECOND, "silent", "led home", now - 3 * HOUR],
        [FIRST, "unlinked", "404", now - HOUR],
    ]


def test_spiders_and_workers_say_what_they_do(world: World, redis_server: redis.Redis) -> None:
    assert (read_spiders(), read_workers()) == ([], [])
    started = clock() - 3 * MINUTE
    said: dict[Any, Any] = {
        "system": "prefenligne",
        "job": "4bd9",
        "state": "serving",
        "started": started.isoformat(),
    }
    redis_server.sadd("crawler:processes", "host:17", "host:18")  # the second one is gone
    redis_server.hset("crawler:process:host:17", mapping={**said, "memory": 159, "running": 2, "checks": 71})
    assert [list(each.values()) for each in read_spiders()] == [
        ["prefenligne", "4bd9", "serving", started, 159, 2, 71]
    ]
    jobs = queue("critical")
    worker = SimpleWorker([jobs], connection=jobs.connection, name="w")
    worker.register_birth()  # type: ignore[no-untyped-call] # RQ's own has no types
    worker.increment_failed_job_count()
    (shown,) = read_workers()
    assert (shown["queues"], shown["jobs"], shown["failed"]) == (["critical"], 0, 1)


def checked(desk: str, *ages: float, outcome: Outcome = Outcome.NO_SLOTS) -> None:
    """Write checks that began so many seconds ago."""
    add_checks(desk, clock(), [-age / 60 for age in ages], outcome)


def test_what_lies_between_checks_is_compared_with_what_was_planned(world: World) -> None:
    world(FIRST)  # wished every 60 s
    world(SECOND, share_seconds=120.0)
    checked(FIRST, 300, 240, 180)
    checked(SECOND, 330, 200, 20)
    found = read_lateness()
    assert found
    assert (found["gaps"], found["desks"], round(found["ratio"], 2)) == (4, 2, 1.58)
    assert (round(found["p50_seconds"], 1), round(found["p95_seconds"], 1)) == (5.0, 52.5)


def test_neither_a_rest_nor_what_is_older_than_an_hour_is_lateness(world: World) -> None:
    world(FIRST)
    checked(FIRST, 3700, 900)
    checked(FIRST, 840, outcome=Outcome.BLOCKED)
    checked(FIRST, 30)
    assert list((read_lateness() or {}).values()) == [1, 1, 1.0, 0.0, 0.0]
