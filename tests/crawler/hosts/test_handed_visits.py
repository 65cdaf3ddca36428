"""A page that embeds another host's calendar: what that host answers is its own, and so is what it is asked."""

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
import sqlalchemy as sa
import time_machine

from api.models.base import session
from api.models.check import Check
from api.models.desk import DeskState, DeskStatus, HostState, Outage, OutageReason
from configs.clock import clock
from configs.desk import Desk
from configs.outcome import Outcome
from configs.prefecture import desks
from crawler import dispatcher
from crawler.fetching.proxies import Proxies
from crawler.hosts import store as host_rows
from crawler.incidents import incidents
from crawler.items import CheckItem, FinishedCheck
from crawler.recording import batch_writer
from crawler.recording.batch_writer import writer_of
from crawler.scheduling import due_queue
from crawler.scheduling.desk_budgets import entry_of
from crawler.scheduling.queues import CrawlQueue
from deploy.sample_desk_files import desk_entry, host_entry, prefecture_file
from tests.crawler.checks import NOW, Crawler, check
from tests.crawler.held import Held

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

SYSTEM = "doctolib"
PAGE, BESIDE, CALENDAR = "evry_91/page", "evry_91/beside", "evry_91/calendar"
WIDGET = "{platform: doctolib, parameters: {motives: [994002]}}"
BUDGET = 60


class Spider:
    """Serves the queue of one system; its checks are a real spider's, and they are written."""

    system = SYSTEM
    queue = CrawlQueue(SYSTEM)
    job = "job-1"

    def __init__(self, held: Held) -> None:
        self.crawler: Any = Crawler()
        self.proxies = Proxies(())
        self.check = held.spider.check
        self._held = held

    def serve(self) -> CheckItem:
        """Claim what is due, and return the first check, once it is written."""
        writer = writer_of(self.crawler, SYSTEM)
        checked = self._held.run(self._first())
        writer.put(*checked)
        writer.close(10)
        return checked[0]

    async def _first(self) -> tuple[CheckItem, datetime]:
        spider: Any = self
        async with aclosing(dispatcher.serve(spider)) as batches:
            return (await anext(batches)).checks[0]


@pytest.fixture
def hosts(
    sandbox: "Running", database: str, tmp_path: Path, settings_env: Callable[..., None], frozen: object
) -> tuple[str, str]:
    """Write two desks of a page's host and one of its calendar's; return the hosts."""
    page, calendar = (sandbox.site(name) for name in ("widget", "doctolib"))
    entries = [
        _entry("page", f"{page}/rendez-vous/994005", "widget", WIDGET),
        _entry("beside", f"{page}/rendez-vous/994006", "widget", WIDGET),
        _entry("calendar", f"{calendar}/prefecture/lille/guichet-994001", "doctolib", "{motives: [994001]}"),
    ]
    names = page.removeprefix("http://"), calendar.removeprefix("http://")
    rules = [host_entry(name, BUDGET, "a stand-in") for name in names]
    text = prefecture_file(tier=2, hosts=rules, desks=entries, capital="Évry")
    (tmp_path / "evry_91.yaml").write_text(text)
    settings_env(PREFECTURES_DIR=tmp_path, HTTP_DEADLINE_SECONDS=20)
    with session() as rows:
        active = {"status": DeskStatus.ACTIVE, "wished_seconds": 60, "share_seconds": 30}
        rows.add_all(DeskState(id=desk, **active) for desk in desks())
    return names


def _entry(slug: str, url: str, platform: str, parameters: str) -> str:
    return desk_entry(slug, url, NOW.date(), parameters=parameters).replace("ezbooking", platform)


@pytest.fixture
def spider(held: Held, hosts: tuple[str, str], client: redis.Redis) -> Spider:
    """Give a spider with one desk in its queue that is due: the page's; the others are, an hour later."""
    due_queue.send(
        client, due_queue.schedule(SYSTEM, [_planned(desks()[desk], now=desk == PAGE) for desk in desks()])
    )
    return Spider(held)


def _planned(desk: Desk, *, now: bool) -> due_queue.DueEntry:
    at = clock() if now else clock() + timedelta(hours=1)
    return due_queue.DueEntry(desk.id, desk.host, 0, at, 3, due_queue.HostBucket(BUDGET, BUDGET / 60))


def left(client: redis.Redis, host: str) -> float:
    """Return what is left in a host's bucket."""
    kept = client.get(f"crawler:bucket:{host}")
    return float(str(kept).split()[0]) if kept else BUDGET


def state(desk: str) -> DeskState:
    with session() as rows:
        return rows.get_one(DeskState, desk)


def resting() -> dict[str, Any]:
    with session() as rows:
        return host_rows.active_rests(rows, clock())


def out() -> dict[str, tuple[str, str | None]]:
    """Return the open outages: the reason and the host that is at fault where it is not the desk's."""
    with session() as rows:
        found = rows.scalars(sa.select(Outage).where(Outage.ends_at.is_(None)))
        return {each.desk_id: (each.reason, each.host) for each in found}


def test_a_calendar_that_blocks_rests_and_its_pages_host_does_not(
    spider: Spider, sandbox: "Running", hosts: tuple[str, str], client: redis.Redis
) -> None:
    page, calendar = hosts
    sandbox.mode("doctolib", "cloudflare")
    item = spider.serve()
    assert (item.outcome, item.handed_to, item.handed_requests) == (Outcome.BLOCKED, calendar, 1)
    assert set(resting()) == {calendar}
    assert client.get(f"crawler:rest:{calendar}")
    assert not client.get(f"crawler:rest:{page}")
    assert (state(PAGE).status, calendar in str(state(PAGE).status_reason)) == (DeskStatus.PAUSED, True)
    assert (state(BESIDE).status, state(CALENDAR).status) == (DeskStatus.ACTIVE, DeskStatus.PAUSED)
    assert out() == {PAGE: (OutageReason.BLOCKED, calendar), CALENDAR: (OutageReason.BLOCKED, None)}
    again = client.zscore(f"crawler:due:{SYSTEM}", PAGE)
    assert isinstance(again, float)
    assert again >= resting()[calendar].timestamp() - 0.001
    client.rpush(due_queue.pushed(SYSTEM), BESIDE, CALENDAR)
    later = due_queue.claim(SYSTEM, now=clock() + timedelta(seconds=2), places=9, hold=30)
    assert [claim.desk_id for claim in due_queue.send(client, later).claims] == [BESIDE]


def test_the_incident_is_the_calendars(spider: Spider, sandbox: "Running", hosts: tuple[str, str]) -> None:
    sandbox.mode("doctolib", "cloudflare")
    spider.serve()
    with session() as rows:
        (found,) = incidents.find_incidents(rows, clock())
    assert (found.subject, [desk.id for desk in found.desks]) == (hosts[1], [CALENDAR, PAGE])


def test_each_host_pays_for_what_it_was_asked(
    spider: Spider, hosts: tuple[str, str], client: redis.Redis
) -> None:
    page, calendar = hosts
    item = spider.serve()
    assert (item.outcome, item.requests) == (Outcome.NO_SLOTS, 1 + item.handed_requests)
    assert left(client, page) == BUDGET - 1
    assert left(client, calendar) == BUDGET - item.handed_requests < BUDGET


@pytest.mark.parametrize("how", ["rests", "stopped", "spent"])
def test_a_calendar_that_may_not_be_asked_is_not_and_nothing_is_said_of_it(
    how: str, spider: Spider, sandbox: "Running", hosts: tuple[str, str], client: redis.Redis
) -> None:
    page, calendar = hosts
    if how == "rests":
        due_queue.send(client, due_queue.rest({calendar: clock() + timedelta(minutes=5)}, now=clock()))
    elif how == "stopped":
        due_queue.send(client, due_queue.stop(calendar))
    else:
        due_queue.send(
            client, due_queue.refill({calendar: (due_queue.HostBucket(BUDGET, 1), 0)}, now=clock())
        )
    item = spider.serve()
    assert (item.outcome, item.requests, item.handed_requests) == (Outcome.OVERLOADED, 1, 0)
    assert "our requests were used up" in item.reason
    assert (resting(), out(), state(PAGE).inconclusive) == ({}, {}, 0)
    assert left(client, page) == BUDGET - 1


def test_the_calendars_bucket_is_the_planned_one(
    spider: Spider, hosts: tuple[str, str], client: redis.Redis
) -> None:
    planned = replace(_planned(desks()[CALENDAR], now=False), bucket=due_queue.HostBucket(20, 1 / 60))
    due_queue.send(client, due_queue.schedule(SYSTEM, [planned]))
    item = spider.serve()
    assert left(client, hosts[1]) == 20 - item.handed_requests


def test_a_calendar_that_nobody_planned_is_asked_all_the_same(
    spider: Spider, hosts: tuple[str, str], client: redis.Redis
) -> None:
    due_queue.send(client, due_queue.drop(SYSTEM, [CALENDAR]))
    item = spider.serve()
    assert item.outcome is Outcome.NO_SLOTS
    assert left(client, hosts[1]) == BUDGET - item.handed_requests


def test_a_host_without_desks_of_its_own_has_its_platforms_budget(hosts: tuple[str, str]) -> None:
    far = desks()[PAGE].model_copy(update={"platform": "doctolib", "url": "https://www.doctolib.example/x"})
    there = entry_of(far, clock())
    assert (there.desk_id, there.host, there.bucket) == (
        "",
        "www.doctolib.example:443",
        due_queue.HostBucket(6, 6 / 60),
    )


def test_a_visit_whose_calendar_rests_waits_for_its_end(hosts: tuple[str, str], frozen: Any) -> None:
    end(1, handed_to=hosts[1], outcome=Outcome.BLOCKED)
    rest = resting()[hosts[1]]
    visit = end(2, handed_to=hosts[1], outcome=Outcome.OVERLOADED)
    assert visit.due == rest


def test_a_403_of_the_calendar_is_judged_beside_the_calendars_desks(hosts: tuple[str, str]) -> None:
    end(1, desk="beside")
    end(2, handed_to=hosts[1], outcome=Outcome.BLOCKED, refused=True)
    assert (set(resting()), state(PAGE).refused_at) == ({hosts[1]}, None)


def test_a_403_of_one_page_of_the_calendars_closes_that_page(hosts: tuple[str, str]) -> None:
    end(1, desk="calendar")
    end(2, handed_to=hosts[1], outcome=Outcome.BLOCKED, refused=True)
    assert (resting(), last(PAGE)) == ({}, Outcome.CLOSED)


def test_a_host_without_desks_of_its_own_is_healed_by_those_that_embed_it(hosts: tuple[str, str]) -> None:
    end(1, handed_to="far.example:443", outcome=Outcome.BLOCKED)
    end(60, handed_to="far.example:443")
    with session() as rows:
        host_rows.recover_hosts(rows, clock())
        host = rows.scalars(sa.select(HostState)).one()
    assert (host.host, host.calm_since) == ("far.example:443", NOW + timedelta(minutes=60))
    assert out() == {}


def end(minute: int, *, desk: str = "page", **changes: Any) -> due_queue.VisitEnd:
    """Let a check end at that minute; return the visit's end in the due queue."""
    at = NOW + timedelta(minutes=minute)
    with time_machine.travel(at, tick=False):
        item = check(desk, 1, started_at=at, **changes)
        return batch_writer.record([FinishedCheck(item, minute, at)]).visits[0]


def last(desk: str) -> Outcome | None:
    with session() as rows:
        return rows.scalar(sa.select(Check.outcome).where(Check.desk_id == desk).order_by(Check.id.desc()))
