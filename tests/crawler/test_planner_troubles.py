"""A planner in trouble: a part that fails, a Redis restored from an older state, a clock set wrong."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import redis
import time_machine

from api.models.base import session
from api.models.desk import HostState
from configs.desk import Desk
from configs.planner_report import PlannerReport, read_report
from crawler import due
from crawler.planner import Planner
from crawler.reading import Slot
from crawler.recording.record import record
from crawler.recording.rows import Result
from tests.crawler.checks import HOST, NOW, check, slot
from tests.crawler.test_planner import SYSTEM, checked


def report(client: redis.Redis) -> PlannerReport:
    found = read_report(client)
    assert found
    return found


@pytest.mark.parametrize(
    "fault",
    [
        ("make_partitions", "days of checks"),
        ("close_unproven", "lapsed slots"),
        ("host_rows.calm", "host back-off"),
        ("switch.remind", "kill switch"),
        ("desk_rows.take_changes", "planning"),
    ],
)
def test_a_part_that_fails_is_logged_and_reported_and_stops_no_other(
    fault: tuple[str, str],
    plan: Planner,
    client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (place, part), ran = fault, list[str]()
    for name in ("make_partitions", "close_unproven", "host_rows.calm", "switch.remind"):
        monkeypatch.setattr(f"crawler.planner.{name}", lambda *_, name=name: ran.append(name))

    def fail(*_: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    with monkeypatch.context() as broken:
        broken.setattr(f"crawler.planner.{place}", fail)
        planned = [plan.look(NOW + timedelta(seconds=second)) for second in range(3)]
    others = {"make_partitions", "close_unproven", "host_rows.calm", "switch.remind"} - {place}
    assert others <= set(ran)
    assert planned == ([0, 0, 0] if part == "planning" else [3, 0, 0])
    assert report(client) == PlannerReport(at=NOW + timedelta(seconds=2), failing={part: "ZeroDivisionError"})
    errors = [each for each in caplog.records if each.levelname == "ERROR"]
    assert [bool(each.exc_info) for each in errors] == [True]
    plan.look(NOW + timedelta(seconds=3))
    assert report(client) == PlannerReport(at=NOW + timedelta(seconds=3))


def test_a_desk_that_goes_stale_after_its_host_calmed_down_stops_no_look(
    plan: Planner, desk_files: Callable[..., dict[str, Desk]], client: redis.Redis
) -> None:
    plan.look(NOW)
    checked("a", NOW, last_proven_at=NOW - timedelta(minutes=1))
    checked("b", NOW - timedelta(hours=4), last_proven_at=NOW - timedelta(hours=4))
    with session() as rows:
        values = {"rest_reason": "rate_limited", "rests_in_a_row": 1, "budget_share": 0.5}
        rows.add(HostState(host=HOST, rests_until=NOW - timedelta(hours=6), **values))
    plan.look(NOW + timedelta(seconds=1))
    desk_files(b=HOST)
    again = Planner(client)
    again.look(NOW + timedelta(seconds=2))
    assert report(client).failing == {}
    with session() as rows:
        assert rows.get_one(HostState, HOST).budget_share == 0.5


def visit(client: redis.Redis, now: datetime, *slots: Slot) -> int:
    """Check desk a, which must be due; return how many detections that makes."""
    (claimed,) = due.send(client, due.claim(SYSTEM, now=now, places=1, hold=25)).claims
    item = check("a", claimed.token, *slots, started_at=now)
    written = record([Result(item, claimed.token, now)])
    due.send(client, due.finish(SYSTEM, written.visits, now=now))
    return len(written.detections)


def test_a_redis_restored_from_an_older_state_costs_a_desk_one_check(
    client: redis.Redis,
    redis_server: redis.Redis,
    planned_desks: Callable[..., dict[str, Desk]],
    frozen: time_machine.Traveller,
) -> None:
    planned_desks(a=HOST)
    Planner(client).look(NOW)
    for number in range(20):
        if number == 3:
            older = {key: redis_server.dump(key) or b"" for key in redis_server.keys("token:*")}
        now = NOW + timedelta(minutes=2 * number)
        frozen.move_to(now)
        client.zadd(f"due:{SYSTEM}", {"evry_91/a": now.timestamp()})
        visit(client, now)
    for key, value in older.items():
        redis_server.restore(key, 0, value, replace=True)
    found = []
    for number in range(20, 22):
        now = NOW + timedelta(minutes=2 * number)
        frozen.move_to(now)
        client.zadd(f"due:{SYSTEM}", {"evry_91/a": now.timestamp()})
        found.append(visit(client, now, slot()))
    assert found == [0, 1]
