"""Parts of the benchmark that need no running stack."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine

from api.models.alert import Alert, AlertTarget
from api.models.base import engine, session
from api.models.check import Check
from api.models.notification import Notification
from api.models.slot import Detection
from api.models.user import Contact, Grant, User
from configs.clock import clock
from configs.outcome import Outcome
from configs.prefecture import desks, host_rules
from deploy.bench import crawl, latency, matching
from deploy.bench.crawl import CrawlRound, Work
from deploy.bench.due_times import DueTimeWatch
from deploy.bench.fixture import BenchFixture
from deploy.bench.latency import CODE
from deploy.bench.notifier_stack import NotifierStack
from deploy.bench.people import Crowd, detection
from deploy.bench.servers import Servers
from deploy.local.ports import StackPorts
from notifier.match_service import match_detection

SANDBOX = Path(__file__).resolve().parents[2] / "deploy" / "sandbox" / "prefectures"
PORT = 8899


def running(database: str) -> Servers:
    return Servers(Path(), {"DATABASE_URL": database})


def checked(at: datetime, process: str) -> None:
    with session() as s:
        s.add(
            Check(
                started_at=at, desk_id="x", outcome=Outcome.NO_SLOTS, evidence="x", milliseconds=1, requests=3,
                slots_seen=0, covered=[], process=process,
            )
        )  # fmt: skip


def test_the_desks_to_measure_are_desks_as_any(tmp_path: Path, settings_env: Callable[..., None]) -> None:
    world = BenchFixture(hosts=3, desks=7, interval=20, hanging=1)
    world.write(tmp_path, PORT)
    settings_env(PREFECTURES_DIR=tmp_path)
    assert {desk.url: desk.id for desk in desks().values()} == world.names(PORT)
    assert len({desk.host for desk in desks().values()}) == 3
    assert {(desk.interval, desk.schedulable) for desk in desks().values()} == {(20, True)}
    assert {host_rules()[desk.host].budget for desk in desks().values()} == {60_000}


def test_they_stand_beside_those_of_the_sandbox(tmp_path: Path, settings_env: Callable[..., None]) -> None:
    world = BenchFixture(hosts=2, desks=2)
    for file in SANDBOX.glob("*.yaml"):
        (tmp_path / file.name).write_text(world.beside(latency.hasty(file.read_text("utf-8")), PORT), "utf-8")
    settings_env(PREFECTURES_DIR=SANDBOX)
    usual = set(desks())
    settings_env(PREFECTURES_DIR=tmp_path)
    assert set(desks()) == usual | set(world.names(PORT).values())
    awaited = [desk for desk in desks().values() if desk.host.startswith(f"127.77.0.{CODE}:")]
    assert {desk.interval for desk in awaited} == {1}


def test_checks_are_counted_by_their_requests_and_told_apart_by_their_process(
    database: str, frozen: time_machine.Traveller
) -> None:
    made = running(database)
    assert made.requests == 0
    checked(clock(), "host:77")
    checked(clock(), "host:78")
    assert made.requests == 6
    before, after = clock() - timedelta(seconds=1), clock()
    assert [made._at_work(77, before), made._at_work(7, before), made._at_work(77, after)] == [
        True,
        False,
        False,
    ]


def test_lateness_is_what_passed_after_the_last_due_time_that_was_seen() -> None:
    watch = DueTimeWatch(Mock(), dict, 1)
    watch._looks = [(100, {"a": 101.0, "b": 102.0}), (105, {"a": 110.0, "b": 106.0})]
    watch.asked = {"a": [101.25, 110.5], "b": [101.5, 106.0], "unseen": [107.0]}
    assert watch.lateness() == pytest.approx([250, 500, 0])


def test_figures_of_the_crawl_are_medians_of_ratios_within_a_round() -> None:
    rounds = [
        CrawlRound(Work(100 * n, 1, 0.1, 0.05), Work(50 * n, 1, 0.1), Work(400 * n, 1, 0.1), urlwatch_ms=each)
        for n, each in ((1, 2.0), (2, 1.0), (4, 0.5))
    ]
    told = {figure.name: figure.value for figure in crawl._figures(rounds)}
    assert told["full path, pages/s"] == 200
    assert told["full ÷ bare Scrapy, pages/s"] == 2
    assert told["full ÷ bare aiohttp, pages/s"] == 0.25
    assert told["full path, CPU ms a page"] == pytest.approx(0.5)
    assert told["full ÷ urlwatch, CPU a page"] == pytest.approx(0.5)


def test_a_crowd_waits_with_alerts_and_one_in_some_has_a_plan(database: str) -> None:
    waiting = Crowd("many", 6, "NULL, NULL, 'single_91/desk-'||n", each=2, per_paying=3)
    waiting.write(engine())
    Crowd("others", 1, "'bench_1', 'NATURALISATION', NULL").write(engine())
    tables: dict[Any, int] = {User: 7, Contact: 7, Grant: 3, Alert: 13, AlertTarget: 13}
    with session() as s:
        assert {table: s.scalar(sa.select(sa.func.count()).select_from(table)) for table in tables} == tables
    assert [told(f"single_91/desk-{n}") for n in (2, 3)] == [[], ["many3@example.org"]]
    assert told("bench_1/desk", "bench_1") == ["others1@example.org"]


def told(desk: str, prefecture: str = "single_91") -> list[str]:
    """Let a slot open and be matched; return the addresses."""
    key, _ = detection(engine(), desk, prefecture, "NATURALISATION")
    return [_contact(each).address for each in _matched(key)]


def _matched(key: UUID) -> list[UUID]:
    with session() as s:
        return match_detection(s, key, clock())


def _contact(notification: UUID) -> Contact:
    with session() as s:
        return s.get_one(Contact, s.get_one(Notification, notification).contact_id)


def test_what_was_accepted_is_read_off_the_ledger(
    database: str, frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "EMAIL", "many1@example.org")  # whose messages are waited for
    Crowd("many", 2, "NULL, NULL, 'one_91/desk'").write(engine())
    key, seen_at = detection(engine(), "one_91/desk", "one_91", "NATURALISATION")
    first, _ = _matched(key)
    stack = NotifierStack(Path(), StackPorts(), engine())
    assert stack.read_delays([key]) == []
    with session() as s:
        s.get_one(Notification, first).accepted_at = seen_at + timedelta(seconds=2)
    assert stack.read_delays([key]) == [2.0]
    (row,) = latency._wait(engine(), set())
    assert latency._ledger(row) == {"seen": 0, "committed": 0, "matched": 0, "accepted": 2000}


def test_matching_is_measured_among_alerts_of_every_prefecture(database: str) -> None:
    said: list[str] = []
    figures = matching._measure(engine(), 1000, said.append)
    assert all(figure.value > 0 for figure in figures)
    with session() as s:
        decided = s.scalars(sa.select(Detection.matched_at)).all()
        assert s.scalar(sa.select(sa.func.count()).select_from(Alert)) == 1000
    assert len(decided) == matching._TURNS
    assert None not in decided
