"""Simulation of five days of the shipped desk files: what is sold, tried, waited for, told, and how often hosts are asked.

One process with a moved clock runs the product's planner, due queue, visits, recording and notices on a real PostgreSQL
and Redis. Each booking host of the files is a stand-in under its real name (SANDBOX_HOSTS), which counts its requests.
Of the stale addresses a quarter lives, one is gone, one moved and is linked, one is abandoned and says "none" for ever.

Left out: the walk of the prefectures' 101 sites (what it would have seen is handed to the function that ends a walk),
paid intervals, and messages after their rows. A visit may make the requests of a real host's, whose budget stand-ins are
spared otherwise.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import cycle
from urllib.parse import urlsplit

import pytest
import redis
import time_machine
from aiohttp import web

from api.models.alert import AlertTarget
from api.models.base import session
from api.models.candidate import Candidate
from api.models.check import make_partitions
from api.models.notification import Notification
from api.models.user import Role
from api.models.watchability import read_standings
from configs.ground.clock import clock
from configs.world.desk import Desk, set_tried_desks
from configs.world.prefecture import desks, desks_by_host, prefectures
from crawler.discovery import daily_schedule, results
from crawler.discovery.booking_links import Booking
from crawler.discovery.observations import ObservedPage, PageSeen
from crawler.discovery.site_walk import SiteWalk
from crawler.fetching.request_budget import RequestBudget
from crawler.incidents import loop
from crawler.items import CheckItem
from crawler.planner import Planner
from crawler.recording.check_transaction import record_checks
from crawler.scheduling import due_queue
from crawler.scheduling.intervals import budget_of, desks_releasing
from crawler.scheduling.probes import find_visited, is_robots, used_queues
from deploy.sandbox.listener import listen
from deploy.sandbox.platforms import Form, Planning, stand_ins
from deploy.sandbox.sites.site import Site, make_site_app
from tests.crawler.conftest import client  # noqa: F401 -- a fixture
from tests.crawler.held import Held, _held, held  # noqa: F401 -- fixtures
from tests.factories import add_alert, add_user, give_role, rows

_BEGIN, _DAYS = (
    datetime(2026, 11, 23, 14, tzinfo=UTC),
    5,
)  # a Monday, an hour before the hours of release of a host
_PLANNED, _SHORTEST = timedelta(minutes=10), timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_OTHER_TITLE = "Retrait d'une carte de stationnement"
_MOVED_BY = 900_000  # added to the number of a form that moved


class Fate(StrEnum):
    """What became of a stale address."""

    OPEN = "lives, shows slots"
    LINKED = "lives, is linked"
    GONE = "gone"
    MOVED = "moved, is linked"
    ABANDONED = "abandoned, old title"
    RENAMED = "abandoned, another title"


def _deal() -> dict[str, Fate]:
    """Return the fate of each stale desk, those with a name first; the few of other platforms are gone."""
    stale = sorted(filter(lambda each: each.is_probed, _list_asked()), key=lambda each: not each.is_named)
    quarters = ((Fate.OPEN, Fate.LINKED), (Fate.GONE,) * 2, (Fate.MOVED,) * 2, (Fate.ABANDONED, Fate.RENAMED))
    fates = cycle(fate for half in zip(*quarters, strict=True) for fate in half)
    dealt = zip([each for each in stale if each.platform == "ezbooking"], fates, strict=False)
    return {each.id: Fate.GONE for each in stale} | {desk.id: fate for desk, fate in dealt}


def _list_asked() -> list[Desk]:
    return [each for each in desks().values() if each.schedulable or each.is_probed]


def _number(desk: Desk) -> int:
    return int(desk.url.rpartition("/")[2])


def _moved_url(desk: Desk) -> str:
    return desk.url.replace(str(_number(desk)), str(_number(desk) + _MOVED_BY))


class World:
    """The stand-ins, by the `name:port` of the host that each plays."""

    def __init__(self) -> None:
        self.fates = _deal()
        asked = dict.fromkeys(each.host for each in _list_asked())
        self.sites = {
            host: self._build(f"127.79.0.{number}", desks_by_host()[host])
            for number, host in enumerate(asked, 1)
        }
        self._runners: list[web.AppRunner] = []

    def _build(self, address: str, there: list[Desk]) -> Site:
        platform = there[0].platform
        is_described = platform == "ezbooking"
        _, about = stand_ins()["91" if is_described else platform]  # there are several of that one
        forms = tuple(form for each in there if (form := self._form(each))) if is_described else ()
        site = Site(replace(about, host=address, forms=forms), any_form=not is_described)
        for desk in there:
            if self.fates.get(desk.id) is Fate.OPEN:
                site.agenda.open_some(site.agenda.form(_number(desk)).plannings[0], 5)
        return site

    def _form(self, desk: Desk) -> Form | None:
        fate = self.fates.get(desk.id)
        if fate is Fate.GONE or desk.platform != "ezbooking":
            return None
        number = _number(desk) + (_MOVED_BY if fate is Fate.MOVED else 0)
        places = desk.parameters.get("plannings") or [number * 10]
        title = _OTHER_TITLE if fate is Fate.RENAMED else desk.label
        return Form(number, title, tuple(Planning(each, f"Guichet {each}") for each in places))

    async def serve(self) -> str:
        """Answer; return the hosts as SANDBOX_HOSTS takes them."""
        bound = listen([site.about.host for site in self.sites.values()], 0, "")
        for site, made in zip(self.sites.values(), bound, strict=True):
            runner = web.AppRunner(make_site_app(site), access_log=None, shutdown_timeout=0.05)
            await runner.setup()
            await web.SockSite(runner, made).start()
            self._runners.append(runner)
        at = {host: made.getsockname() for host, made in zip(self.sites, bound, strict=True)}
        return ",".join(f"{host}={address}:{port}" for host, (address, port) in at.items())

    async def end(self) -> None:
        """Answer no more."""
        for runner in self._runners:
            await runner.cleanup()

    def list_requests(self, host: str) -> list[tuple[datetime, str]]:
        """Return what a host was asked: when, and which path."""
        return [(datetime.fromisoformat(each.at), each.path) for each in self.sites[host].requests]

    def walk(self) -> dict[str, SiteWalk]:
        """Return what a walk of today sees: one page of each prefecture, with its links to booking pages."""
        links: dict[str, list[Booking]] = defaultdict(list)
        for desk_id, fate in self.fates.items():
            desk = desks()[desk_id]
            if fate in (Fate.LINKED, Fate.MOVED):
                url = _moved_url(desk) if fate is Fate.MOVED else desk.url
                links[desk.prefecture_id].append(Booking(url, desk.label))
        walks = {name: SiteWalk(place) for name, place in prefectures().items()}
        for name, each in walks.items():
            each.record(PageSeen(name, each.place.site, ObservedPage.READ, bookings=tuple(links[name])))
        return walks


@dataclass
class Product:
    """The product's programs in one process, at an hour that only this moves."""

    held: Held
    client: redis.Redis
    now: time_machine.Traveller
    world: World

    def __post_init__(self) -> None:
        self.planner = Planner(self.client)
        self.sold: set[str] = set()  # at any moment
        self.visits: Counter[str] = Counter()

    def live(self, days: int) -> None:
        """Do all that is due in so many days; the clock steps from one thing that is due to the next."""
        ends, planned = clock() + timedelta(days=days), clock()
        while clock() < ends:
            if clock() >= planned:
                planned = clock() + _PLANNED
                self._plan()
            wakes = [self._work(str(queue)) for queue in sorted(used_queues(), key=str)]
            following = min([planned, *(each for each in wakes if each)])
            self.now.move_to(max(following, clock() + _SHORTEST))

    def _plan(self) -> None:
        """Plan, end the walk that is due, write notices, and note what is sold."""
        with session() as opened:
            make_partitions(opened, clock().date())
        self.planner.run_once(clock())
        assert not self.planner.failures.names()
        with session() as opened:
            run = daily_schedule.begin(opened, clock()) if daily_schedule.due(opened, clock()) else None
            standings = read_standings(opened, desks().values())
        if run:
            results.finish(run, self.world.walk(), clock())
        self.sold |= {each.desk.id for each in standings.values() if each.is_watchable}
        loop.run_once(clock())

    def _work(self, queue: str) -> datetime | None:
        """Make all visits of a queue that are due; return when the next may be."""
        while True:
            claim = due_queue.claim_desks(queue, now=clock(), places=64, hold=60)
            found = due_queue.send(self.client, claim)
            if not found.claims:
                return found.wake
            items = self.held.run(self._visit(found.claims))
            self.visits.update(each.desk_id for each in items)
            ends = record_checks(items).visits
            due_queue.send(self.client, due_queue.finish(queue, ends, now=clock()))

    async def _visit(self, claims: tuple[due_queue.DeskClaim, ...]) -> list[CheckItem]:
        return await asyncio.gather(*map(self._make, claims))

    async def _make(self, claim: due_queue.DeskClaim) -> CheckItem:
        desk, spider = find_visited(claim.desk_id), self.held.spider
        assert desk
        if is_robots(claim.desk_id):
            return await spider.read_robots(desk, claim.token, RequestBudget(claim.paid))
        budget = RequestBudget(budget_of(desk))
        return await spider.check(desk, claim.token, turn=claim.turn, probe=claim.probe, budget=budget)


def _count_most(moments: list[datetime]) -> int:
    """Return the most requests of any minute."""
    return max((sum(at - _MINUTE < each <= at for each in moments) for at in set(moments)), default=0)


def _is_above(moments: list[datetime], budget: float) -> bool:
    """Tell whether requests take more than a bucket holds that is filled by so many a minute, and holds as many."""
    left, before = budget, _BEGIN
    for at in moments:
        left = min(budget, left + (at - before) / _MINUTE * budget) - 1
        before = at
        if left < -0.001:  # stand-ins note milliseconds
            return True
    return False


def _find_intruders(world: World) -> Iterator[str]:
    """Yield the requests that hosts got in their hours of release for pages that nobody watches."""
    watched = ("/robots.txt", *(urlsplit(each.url).path for each in _list_asked() if each.schedulable))
    for host in {each.host for each in desks().values() if each.releases}:
        for at, path in world.list_requests(host):
            busy = {desks()[each].host for each in desks_releasing(desks().values(), at)}
            if host in busy and not path.startswith(watched):
                yield f"{host}{path} was asked at {at}, in its hours of release"


@dataclass
class Report:
    """What came of it."""

    product: Product

    def __post_init__(self) -> None:
        self.world = self.product.world
        notices = rows(Notification, Notification.kind == "desk_watchable")
        self.told = {desk_id for each in notices for desk_id in each.params["desks"]}
        self.proven = {each.url for each in rows(Candidate, Candidate.proofs > 0)}

    def find_faults(self) -> Iterator[str]:
        """Yield what must not be."""
        yield from self._judge_stale()
        yield from self._judge_hosts()
        for desk in desks().values():
            if not desk.is_tried and desk.shows_slots and desk.id not in self.product.sold:
                yield f"{desk.id}, which always was watched, is never sold"
        for desk_id in self.told ^ self.product.sold:
            yield f"{desk_id}: who waits for it was {'told' if desk_id in self.told else 'not told'}"

    def _judge_stale(self) -> Iterator[str]:
        for desk_id, fate in self.world.fates.items():
            desk, is_sold = desks()[desk_id], desk_id in self.product.sold
            if is_sold is not (fate in (Fate.OPEN, Fate.LINKED) and desk.is_named):
                yield f"{desk_id} ({fate}) is {'sold' if is_sold else 'never sold'}"
            if fate is Fate.MOVED and _moved_url(desk) not in self.proven:
                yield f"{desk_id} ({fate}): {_moved_url(desk)} is not found"
            if desk_id not in self.product.visits:
                yield f"{desk_id} ({fate}) was never asked"

    def _judge_hosts(self) -> Iterator[str]:
        for host, site in self.world.sites.items():
            moments = [at for at, _ in self.world.list_requests(host)]
            if _is_above(moments, budget := _find_budget(host)):
                yield f"{host} was asked {_count_most(moments)} times in a minute, {budget:g} are allowed"
            if site.reservations:
                yield f"{host}: {site.reservations} slots were taken"
        yield from _find_intruders(self.world)

    def print(self) -> None:
        """Print it as tables."""
        print(
            "\n| desks | number | visits | sold | tried | told | wait | candidate proven |\n"
            + "| --- " * 8
            + "|"
        )
        for fate in Fate:
            self._print_group(fate, {each for each, is_of in self.world.fates.items() if is_of is fate})
        watched = {each.id for each in desks().values() if each.schedulable} - self.world.fates.keys()
        seen = {each for each in watched if desks()[each].shows_slots}
        self._print_group("always watched", seen)
        self._print_group("captcha before the slots", watched - seen)
        print(f"\nmessages: {dict(Counter(each.kind for each in rows(Notification)))}")
        print("\n| host | budget | most in a minute | requests by day |\n" + "| --- " * 4 + "|")
        for host in self.world.sites:
            moments = [at for at, _ in self.world.list_requests(host)]
            days = " ".join(str(sum((at - _BEGIN).days == day for at in moments)) for day in range(_DAYS))
            print(f"| {host} | {_find_budget(host):g} | {_count_most(moments)} | {days} |")

    def _print_group(self, name: str, ids: set[str]) -> None:
        visits = sum(self.product.visits[each] for each in ids)
        tried = sum(desks()[each].is_tried for each in ids)
        moved = {_moved_url(desks()[each]) for each in ids if self.world.fates.get(each) is Fate.MOVED}
        found = len(moved & self.proven)
        told, sold = len(ids & self.told), len(ids & self.product.sold)
        figures = (len(ids), visits, sold, tried, told, len(ids) - told, found)
        print(f"| {name} | {' | '.join(map(str, figures))} |")


def _find_budget(host: str) -> float:
    return min(map(budget_of, desks_by_host()[host]))


@pytest.fixture
def product(
    held: Held,  # noqa: F811
    settings_env: Callable[..., None],
    frozen: time_machine.Traveller,
    database: str,
    client: redis.Redis,  # noqa: F811
) -> Iterator[Product]:
    """Give the product, with stand-ins of all hosts of the shipped files that answer."""
    frozen.move_to(_BEGIN)
    world = World()
    settings_env(SANDBOX_HOSTS=held.run(world.serve()))
    yield Product(held, client, frozen, world)
    held.run(world.end())
    set_tried_desks(())


def test_five_days_of_the_shipped_files(product: Product) -> None:
    give_role(add_user().id, Role.ADMIN)
    for desk in _list_asked():  # somebody waits for each
        add_alert(add_user().id, AlertTarget(desk_id=desk.id), enabled=False, awaits_watch=True)
    product.live(_DAYS)
    report = Report(product)
    report.print()
    faults = "\n".join(report.find_faults())
    assert not faults, faults
