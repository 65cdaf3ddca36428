"""A planner in trouble: a part that fails, a Redis restored from an older state, a clock set wrong."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import redis
import time_machine

from api.models.base import replace_database_clock
from api.models.desk import HostState
from api.models.slot import SlotRow
from configs.ground.clock import clock
from configs.programs.loop_report import LoopReport, read_report
from configs.world.desk import Desk
from crawler.planner import Planner
from crawler.reading import Slot
from crawler.recording.check_transaction import record_checks
from crawler.scheduling import due_queue
from tests.crawler.checks import HOST, NOW, check, slot, take
from tests.crawler.test_planner import SYSTEM, checked, score, state, waits
from tests.factories import one, save


def report(client: redis.Redis) -> LoopReport:
    found = read_report(client)
    assert found
    return found


@pytest.mark.rule("3.12")
@pytest.mark.parametrize(
    "fault",
    [
        ("close_unproven", "lapsed slots"),
        ("backoff.recover_hosts", "host back-off"),
        ("kill_switch.apply_orders", "kill switch"),
        ("planning.take_changes", "planning"),
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
    for name in ("close_unproven", "backoff.recover_hosts", "kill_switch.apply_orders"):
        monkeypatch.setattr(f"crawler.planner.{name}", lambda *_, name=name: ran.append(name))

    def fail(*_: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    with monkeypatch.context() as broken:
        broken.setattr(f"crawler.planner.{place}", fail)
        planned = [plan.run_once(NOW + timedelta(seconds=second)) for second in range(3)]
    others = {"close_unproven", "backoff.recover_hosts", "kill_switch.apply_orders"} - {place}
    assert others <= set(ran)
    assert planned == ([0, 0, 0] if part == "planning" else [3, 0, 0])
    assert report(client).at == NOW + timedelta(seconds=2)
    assert report(client).failing == {part: "ZeroDivisionError"}
    errors = [each for each in caplog.records if each.levelname == "ERROR"]
    assert [bool(each.exc_info) for each in errors] == [True]
    plan.run_once(NOW + timedelta(seconds=3))
    assert (report(client).at, report(client).failing) == (NOW + timedelta(seconds=3), {})


def test_the_report_says_since_when_queues_have_desks_and_the_next_planner_goes_on_from_it(
    plan: Planner, client: redis.Redis, desk_files: Callable[..., dict[str, Desk]]
) -> None:
    plan.run_once(NOW)
    later = NOW + timedelta(seconds=30)
    Planner(client).run_once(later)
    assert report(client).queues == {SYSTEM: NOW}
    client.delete("crawler:planner:seen")
    again = Planner(client)
    again.run_once(later)
    assert report(client).queues == {SYSTEM: later}
    desk_files(grade="retired", a=HOST)
    Planner(client).run_once(later)
    assert report(client).queues == {}


def visit(client: redis.Redis, now: datetime, *slots: Slot) -> int:
    """Check desk a, which must be due; return how many detections that makes."""
    (claimed,) = take(client, now, places=1, system=SYSTEM).claims
    item = check("a", claimed.token, *slots, started_at=now, seen_at=now)
    written = record_checks([item])
    due_queue.send(client, due_queue.finish(SYSTEM, written.visits, now=now))
    return len(written.detections)


@pytest.mark.rule("4.4")
def test_a_redis_restored_from_an_older_state_counts_tokens_beyond_the_rows(
    client: redis.Redis,
    redis_server: redis.Redis,
    planned_desks: Callable[..., dict[str, Desk]],
    frozen: time_machine.Traveller,
) -> None:
    planned_desks(a=HOST)
    planner, now = Planner(client), NOW
    for number in range(20):
        now = NOW + timedelta(minutes=2 * number)
        frozen.move_to(now)
        planner.run_once(now)
        if number == 3:
            kept = [*redis_server.keys("crawler:token:*"), *redis_server.keys("crawler:planner:runs")]
            older = {key: redis_server.dump(key) or b"" for key in kept}
        client.rpush(due_queue.pushed(SYSTEM), "evry_91/a")
        visit(client, now)
    for key, value in older.items():
        redis_server.restore(key, 0, value, replace=True)
    planner.run_once(now + timedelta(seconds=1))
    now += timedelta(minutes=2)
    frozen.move_to(now)
    client.rpush(due_queue.pushed(SYSTEM), "evry_91/a")
    assert visit(client, now, slot()) == 1


def test_what_a_redis_restored_from_an_older_state_forgot_is_planned_again(
    client: redis.Redis,
    redis_server: redis.Redis,
    planned_desks: Callable[..., dict[str, Desk]],
    frozen: time_machine.Traveller,
) -> None:
    """A subscriber appeared since, and a host was told to rest."""
    planned_desks(a=HOST)
    planner = Planner(client)
    planner.run_once(NOW)
    checked("a", NOW)
    later = NOW + timedelta(hours=6)
    client.zadd(f"crawler:due:{SYSTEM}", {"evry_91/a": later.timestamp()})
    older = {key: redis_server.dump(key) or b"" for key in redis_server.scan_iter()}
    waits(desk_id="evry_91/a", begins=NOW - timedelta(hours=1))
    save(HostState(host=HOST, rests_until=later))
    planner.run_once(NOW + timedelta(seconds=1))
    assert (score(client, "a") or later) < later
    redis_server.flushdb()
    for key, value in older.items():
        redis_server.restore(key, 0, value)
    planner.run_once(NOW + timedelta(seconds=2))
    assert (score(client, "a") or later) <= NOW + timedelta(seconds=63)
    assert float(client.get(f"crawler:rest:{HOST}") or 0) == later.timestamp()
    assert str(client.get(f"crawler:bucket:{HOST}")).startswith(
        "0.000000 "
    )  # what was asked since is unknown


def test_an_emptied_redis_learns_anew_which_hosts_refused_us_within_a_day(
    client: redis.Redis, planned_desks: Callable[..., dict[str, Desk]]
) -> None:
    planned_desks(a=HOST)
    save(HostState(host=HOST, rests_until=NOW - timedelta(hours=23)))
    Planner(client).run_once(NOW)
    assert [client.exists(f"crawler:{key}:{HOST}") for key in ("refused", "rest")] == [1, 0]


DAY = timedelta(days=1)


@pytest.fixture
def desk_a(
    client: redis.Redis, planned_desks: Callable[..., dict[str, Desk]], frozen: time_machine.Traveller
) -> Planner:
    """Give a planner of one desk, which somebody waits for; it looked once."""
    planned_desks(a=HOST)
    waits(desk_id="evry_91/a", lasts=timedelta(days=30))
    planner = Planner(client)
    planner.run_once(NOW)
    return planner


def look(planner: Planner, frozen: time_machine.Traveller, now: datetime) -> None:
    frozen.move_to(now)
    planner.run_once(now)


def visit_when_due(
    planner: Planner, client: redis.Redis, frozen: time_machine.Traveller, now: datetime
) -> tuple[datetime, int]:
    """Look each ten seconds until the desk is checked and shows a slot; return when, and how many detections."""
    for _ in range(60):
        look(planner, frozen, now)
        held: Any = client.get(
            f"crawler:host:{HOST}"
        )  # the key itself lives by Redis's clock, which is not frozen
        is_free = not held or float(str(held).split()[0]) <= now.timestamp()
        if (at := score(client, "a")) and at <= now and is_free:
            return now, visit(client, now, slot())
        now += timedelta(seconds=10)
    raise AssertionError("the desk was not due within ten minutes")


@pytest.mark.rule("4.5")
@pytest.mark.parametrize("step", [DAY, -DAY], ids=["ahead", "behind"])
def test_a_spider_whose_clock_is_a_day_off_stops_no_check_and_tells_no_slot_twice(
    step: timedelta, desk_a: Planner, client: redis.Redis, frozen: time_machine.Traveller
) -> None:
    begin, told = visit_when_due(desk_a, client, frozen, NOW)
    assert told == 1
    replace_database_clock(lambda: clock() - step)
    try:
        frozen.move_to(begin + step)
        item = check("a", 2**40, slot(), started_at=begin + step, seen_at=begin + step)
        written = record_checks([item])
    finally:
        replace_database_clock(partial(datetime.now, UTC))
    assert not written.detections
    assert begin < written.visits[0].due < begin + timedelta(minutes=3)
    row = state("a")
    assert row.last_check_at == row.last_proven_at == begin
    open_slot = one(SlotRow)
    assert (open_slot.gone_at, open_slot.seen_at) == (None, begin)


@pytest.mark.parametrize("step", [DAY, timedelta(seconds=595), timedelta(seconds=65)])
def test_what_nobody_could_confirm_lapses_when_checks_had_time_after_a_step_of_the_clock(
    step: timedelta, desk_a: Planner, client: redis.Redis, frozen: time_machine.Traveller
) -> None:
    seen, _ = visit_when_due(desk_a, client, frozen, NOW)
    before = seen + timedelta(minutes=9)
    for minutes in range(9):
        look(desk_a, frozen, seen + timedelta(minutes=minutes))
    look(desk_a, frozen, before)
    for minutes in range(11):
        look(desk_a, frozen, before + step + timedelta(minutes=minutes))
        assert (one(SlotRow).gone_at is not None) == (minutes == 10), minutes
