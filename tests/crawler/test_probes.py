"""Stale addresses: asked once a day by real visits to stand-ins, tried once proven, never told of to anybody."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import redis
import time_machine

from api.models.base import session
from api.models.check import Check, CheckDay
from api.models.desk import DeskState, DeskStatus, HostState, Outage
from api.models.incident import Incident
from api.models.notification import Notification
from api.models.slot import Detection
from api.prefectures.desk_days import sum_day
from configs.ground.clock import clock
from configs.world.desk import Desk, set_tried_desks
from configs.world.prefecture import desks
from crawler.fetching.request_budget import RequestBudget
from crawler.incidents import loop
from crawler.planner import Planner
from crawler.recording.check_transaction import record_checks
from crawler.scheduling import due_queue
from tests.crawler.checks import NOW
from tests.crawler.held import Held
from tests.factories import change, get, rows
from tests.sample_desk_files import desk_entry, host_entry, prefecture_file

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.sandbox.running import Running

DESK = "evry-courcouronnes_91/naturalisation"
SYSTEM = "prefenligne"
FORM = 23014


class Crawl:
    """A planner, and a spider that makes the visits which it plans, at an hour that only this moves."""

    def __init__(self, held: Held, client: redis.Redis, now: time_machine.Traveller) -> None:
        self.held, self.client, self.now = held, client, now
        self.planner = Planner(client)

    def plan(self, **later: float) -> None:
        self.now.shift(timedelta(**later))
        self.planner.run_once(clock())

    def claim(self) -> list[due_queue.DeskClaim]:
        claim = due_queue.claim_desks(SYSTEM, now=clock(), places=10, hold=60)
        return list(due_queue.send(self.client, claim).claims)

    def visit(self, **later: float) -> list[str]:
        """Plan, then make all visits that are due; return what was visited."""
        self.plan(**later)
        claims = self.claim()
        for claim in claims:
            self._make(claim)
        return [claim.desk_id for claim in claims]

    def _make(self, claim: due_queue.DeskClaim) -> None:
        spider = self.held.spider
        if claim.desk_id.startswith("robots/"):
            item = self.held.run(spider.read_robots(desks()[DESK], claim.token, RequestBudget(10)))
        else:
            item = self.held.check(desks()[claim.desk_id], claim.token, probe=claim.probe)
        ends = record_checks([item]).visits
        due_queue.send(self.client, due_queue.finish(SYSTEM, ends, now=clock()))

    def visit_until(self, wanted: str, days: float = 2) -> None:
        """Visit what is due each hour until that was visited."""
        for _ in range(round(days * 24)):
            if wanted in self.visit(hours=1):
                return
        raise AssertionError(f"{wanted} was not visited")


@pytest.fixture
def stale(
    sandbox: "Running", tmp_path: "Path", settings_env: Callable[..., None]
) -> Iterator[Callable[..., Desk]]:
    """Write a desk file of one stale address; return the desk."""

    def write(label: str = "Naturalisation", robots: str = "", url: str = "") -> Desk:
        site = url or f"{sandbox.site('91')}/booking/create/{FORM}"
        entry = desk_entry("naturalisation", site, NOW.date(), label=label, grade="stale")
        host = host_entry(site.split("/")[2], 6, f"a stand-in{robots}")
        folder = tmp_path / "prefectures"
        folder.mkdir(exist_ok=True)
        (folder / "evry-courcouronnes_91.yaml").write_text(
            prefecture_file(tier=1, hosts=[host], desks=[entry])
        )
        settings_env(PREFECTURES_DIR=folder)
        return desks()[DESK]

    yield write
    set_tried_desks(())


@pytest.fixture
def crawl(
    stale: Callable[..., Desk], held: Held, database: str, client: redis.Redis, frozen: time_machine.Traveller
) -> Crawl:
    stale()
    return Crawl(held, client, frozen)


def state() -> DeskState:
    return get(DeskState, DESK)


def asked(sandbox: "Running") -> list[str]:
    return [each.path for each in sandbox.requests("91")]


def test_a_stale_address_is_asked_once_a_day_and_tried_after_proofs_of_three_days(
    crawl: Crawl, sandbox: "Running"
) -> None:
    crawl.visit_until(DESK)
    assert asked(sandbox)[0] == "/robots.txt", "before it is read nothing else is asked"
    before = clock()
    for day in (2, 3):
        assert (state().proven_days, state().tried_at) == (day - 1, None)
        crawl.visit_until(DESK)
        assert timedelta(hours=23) < clock() - before < timedelta(hours=28)
        before = clock()
    assert state().tried_at
    assert state().status is DeskStatus.PAUSED
    assert DESK in crawl.visit(seconds=120), "it is checked at once, as a desk that is new"
    assert (state().status, state().due_queue) == (DeskStatus.ACTIVE, SYSTEM)
    assert [each.probe for each in rows(Check)] == [True, True, True, False]


def test_a_probe_of_an_open_desk_tells_nobody_and_counts_in_nothing(crawl: Crawl, sandbox: "Running") -> None:
    for planning in (23018, 23198, 23199):
        sandbox.open_slots("91", FORM, count=3, planning=planning)
    crawl.visit_until(DESK)
    loop.run_once(clock())
    with session() as opened:
        sum_day(opened, clock().date(), clock())
    (check,) = rows(Check)
    assert (check.probe, check.outcome.conclusive) == (True, True)
    for table in (Detection, Outage, Incident, Notification, CheckDay):
        assert rows(table) == []
    assert (state().status, state().last_outcome, state().last_check_at) == (DeskStatus.PAUSED, None, None)
    assert not [path for path in asked(sandbox) if "planning::assign" in path], "no calendar is asked for"


def test_a_page_that_is_gone_three_times_is_asked_once_a_month(
    crawl: Crawl, stale: Callable[..., Desk], sandbox: "Running"
) -> None:
    stale(url=f"{sandbox.site('91')}/booking/create/1")
    for _ in range(3):
        crawl.visit_until(DESK)
    assert (state().gone_probes, state().proven_days) == (3, 0)
    with pytest.raises(AssertionError, match="was not visited"):
        crawl.visit_until(DESK, days=3)


@pytest.mark.rule("3.9")
def test_a_refusal_rests_the_host_and_no_probe_follows_for_a_day(crawl: Crawl, sandbox: "Running") -> None:
    crawl.visit_until(DESK)
    sandbox.mode("91", "block", form=FORM)
    crawl.visit_until(DESK)
    (host,) = rows(HostState)
    assert host.rests_until
    assert host.rests_until > clock()
    sandbox.mode("91", "normal", form=FORM)
    with pytest.raises(AssertionError, match="was not visited"):
        crawl.visit_until(DESK, days=0.98)
    crawl.visit_until(DESK)


def test_no_probe_goes_to_a_host_whose_budget_is_short_or_used(crawl: Crawl) -> None:
    crawl.visit_until(f"robots/{desks()[DESK].host}")
    change(HostState, budget_share=0.5)
    with pytest.raises(AssertionError, match="was not visited"):
        crawl.visit_until(DESK, days=1)
    change(HostState, budget_share=1)
    crawl.plan(hours=1)
    crawl.client.set(f"crawler:bucket:{desks()[DESK].host}", f"5 {clock().timestamp() + 10**6}")
    crawl.now.shift(timedelta(hours=7))
    assert DESK not in [each.desk_id for each in crawl.claim()]
    crawl.client.delete(f"crawler:bucket:{desks()[DESK].host}")
    crawl.visit_until(DESK)


def test_what_no_source_names_is_never_tried(crawl: Crawl, stale: Callable[..., Desk]) -> None:
    stale(label="Démarche non précisée par la source (2616)")
    for _ in range(4):
        crawl.visit_until(DESK)
    assert (state().proven_days, state().tried_at) == (4, None)
    assert state().page_title
