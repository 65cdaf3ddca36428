"""Stale addresses: asked once a day by real visits to stand-ins, tried once proven, never told of to anybody."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import redis
import time_machine

from api.models.alert import AlertTarget
from api.models.base import session
from api.models.check import Check, CheckDay
from api.models.desk import DeskState, DeskStatus, HostState, Outage
from api.models.discovery import DeskLink
from api.models.incident import Incident, IncidentReason
from api.models.notification import Notification
from api.models.slot import Detection
from api.models.user import Role
from api.models.watchability import read_standings
from api.prefectures.desk_days import sum_day
from configs.ground.clock import clock
from configs.world.desk import Desk, Outcome, set_tried_desks
from configs.world.plan import PlanName
from configs.world.prefecture import desks
from crawler.incidents import loop
from tests.crawler.checks import NOW
from tests.crawler.held import Held
from tests.crawler.planned_visits import PlannedVisits
from tests.factories import add_alert, add_grant, add_user, change, get, give_role, one, rows, save
from tests.sample_desk_files import desk_entry, host_entry, prefecture_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running_sandbox import Running

DESK = "evry-courcouronnes_91/naturalisation"
SYSTEM = "prefenligne"
FORM = 23014


@pytest.fixture
def stale(
    sandbox: "Running", tmp_path: "Path", settings_env: Callable[..., None]
) -> Iterator[Callable[..., Desk]]:
    """Write a desk file of one stale address; return the desk."""

    def write(
        label: str = "Naturalisation",
        robots: str = "",
        url: str = "",
        *,
        beside: bool = False,
        unread: bool = False,
    ) -> Desk:
        site = url or f"{sandbox.site('91')}/booking/create/{FORM}"
        entry = desk_entry("naturalisation", site, NOW.date(), label=label, grade="stale")
        others = [desk_entry("b", f"{sandbox.site('77')}/booking/create/48803", NOW.date())] if beside else []
        if unread:  # its file lacks what its platform needs to know
            page = f"{site.partition('/booking')[0]}/orion-reservation/slots"
            others.append(desk_entry("a", page, NOW.date(), watch="none").replace("ezbooking", "orion"))
        host = host_entry(site.split("/")[2], 6, f"a stand-in{robots}")
        folder = tmp_path / "prefectures"
        folder.mkdir(exist_ok=True)
        (folder / "evry-courcouronnes_91.yaml").write_text(
            prefecture_file(tier=1, hosts=[host], desks=[*others, entry])
        )
        settings_env(PREFECTURES_DIR=folder)
        return desks()[DESK]

    yield write
    set_tried_desks(())


@pytest.fixture
def crawl(
    stale: Callable[..., Desk], held: Held, database: str, client: redis.Redis, frozen: time_machine.Traveller
) -> PlannedVisits:
    stale()
    return PlannedVisits(held, client, frozen)


def state() -> DeskState:
    return get(DeskState, DESK)


def asked(sandbox: "Running") -> list[str]:
    return [each.path for each in sandbox.requests("91")]


def test_a_stale_address_is_asked_once_a_day_and_tried_after_proofs_of_three_days(
    crawl: PlannedVisits, sandbox: "Running"
) -> None:
    crawl.visit_until(DESK)
    assert asked(sandbox)[0] == "/robots.txt", "before it is read nothing else is asked"
    before = clock()
    for day in (2, 3):
        assert (state().proven_days, state().tried_at) == (day - 1, None)
        crawl.visit_until(DESK)
        assert timedelta(hours=23) < clock() - before < timedelta(hours=31)
        before = clock()
    assert state().tried_at
    assert state().status is DeskStatus.PAUSED
    assert DESK in crawl.visit(seconds=120), "it is checked at once, as a desk that is new"
    assert (state().status, state().due_queue) == (DeskStatus.ACTIVE, SYSTEM)
    assert [each.probe for each in rows(Check)] == [True, True, True, False]


def test_a_probe_of_an_open_desk_tells_nobody_and_counts_in_nothing(
    crawl: PlannedVisits, sandbox: "Running"
) -> None:
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


@pytest.mark.journey
def test_a_page_that_is_gone_three_times_is_asked_once_a_month(
    crawl: PlannedVisits, stale: Callable[..., Desk], sandbox: "Running"
) -> None:
    stale(url=f"{sandbox.site('91')}/booking/create/1")
    for _ in range(3):
        crawl.visit_until(DESK)
    assert (state().gone_probes, state().proven_days) == (3, 0)
    with pytest.raises(AssertionError, match="was not visited"):
        crawl.visit_until(DESK, days=3)


@pytest.mark.rule("3.9")
def test_a_refusal_rests_the_host_and_no_probe_follows_for_a_day(
    crawl: PlannedVisits, sandbox: "Running"
) -> None:
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


def test_no_probe_goes_to_a_host_whose_budget_is_short_or_used(crawl: PlannedVisits) -> None:
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


def test_what_no_source_names_is_never_tried(crawl: PlannedVisits, stale: Callable[..., Desk]) -> None:
    stale(label="Page de rendez-vous n° 2616")
    for _ in range(4):
        crawl.visit_until(DESK)
    assert (state().proven_days, state().tried_at) == (4, None)
    assert state().page_title


FORBIDS = "User-agent: *\nDisallow: /booking/"


def test_what_robots_txt_forbids_is_not_probed_and_operators_are_told(
    crawl: PlannedVisits, sandbox: "Running"
) -> None:
    operator = add_user()
    give_role(operator.id, Role.ADMIN)
    sandbox.robots("91", FORBIDS)
    with pytest.raises(AssertionError, match="was not visited"):
        crawl.visit_until(DESK)
    assert set(asked(sandbox)) == {"/robots.txt"}
    loop.run_once(clock())
    (incident,) = rows(Incident)
    assert (incident.reason, incident.subject) == (IncidentReason.FORBIDDEN, desks()[DESK].host)
    assert {each.kind for each in rows(Notification)} == {"desk_trouble"}
    sandbox.robots("91", "User-agent: RDVPriority\nAllow: /\n\n" + FORBIDS)
    crawl.visit_until(DESK)
    assert state().forbidden_at is None


@pytest.mark.parametrize(("days", "is_probed"), [(0, False), (1, True)])
def test_an_allowance_counts_where_it_is_of_a_later_day_than_the_prohibition(
    days: int, is_probed: bool, crawl: PlannedVisits, stale: Callable[..., Desk], sandbox: "Running"
) -> None:
    day = NOW.date() + timedelta(days=days)
    stale(robots=f", robots: {{decision: allowed, date: {day}, reason: its terms}}")
    sandbox.robots("91", FORBIDS)
    crawl.visit_until(f"robots/{desks()[DESK].host}")
    assert state().forbidden_at
    assert (DESK in [each for _ in range(4) for each in crawl.visit(hours=3)]) is is_probed


@pytest.mark.rule("3.9")
def test_a_block_page_in_the_place_of_robots_txt_lifts_no_prohibition(
    crawl: PlannedVisits, sandbox: "Running"
) -> None:
    sandbox.robots("91", FORBIDS)
    crawl.visit_until(f"robots/{desks()[DESK].host}")
    sandbox.robots("91", "<!doctype html><html><title>Just a moment...</title><body>Cloudflare Ray ID: 1")
    crawl.visit_until(f"robots/{desks()[DESK].host}")
    (host,) = rows(HostState)
    assert (bool(state().forbidden_at), bool(host.rests_until)) == (True, True)


@pytest.mark.parametrize("status", [500, 403])
def test_no_probe_goes_out_before_robots_txt_was_read(
    status: int, crawl: PlannedVisits, sandbox: "Running"
) -> None:
    sandbox.robots("91", status=status)
    with pytest.raises(AssertionError, match="was not visited"):
        crawl.visit_until(DESK, days=1)
    (host,) = rows(HostState)
    assert (host.robots_read_at, bool(host.rests_until)) == (None, status == 403)
    assert host.robots_error


def test_robots_txt_is_read_where_a_desk_of_the_host_lacks_what_its_platform_needs(
    crawl: PlannedVisits, stale: Callable[..., Desk]
) -> None:
    stale(unread=True)
    crawl.visit_until(DESK)
    assert one(HostState).robots_read_at


@pytest.mark.journey
def test_a_robots_txt_that_is_silent_again_stands_for_seven_days(
    crawl: PlannedVisits, sandbox: "Running"
) -> None:
    crawl.visit_until(DESK)
    sandbox.robots("91", status=503)
    change(HostState, robots_read_at=clock() - timedelta(days=5))
    crawl.visit_until(DESK)
    crawl.visit(days=2)
    with pytest.raises(AssertionError, match="was not visited"):
        crawl.visit_until(DESK)


@pytest.mark.parametrize(("decision", "found"), [("undecided", {"/robots.txt"}), ("refused", set())])
def test_of_an_undecided_host_robots_txt_alone_is_read_and_of_a_refused_one_nothing(
    decision: str, found: set[str], crawl: PlannedVisits, stale: Callable[..., Desk], sandbox: "Running"
) -> None:
    stale(robots=f", robots: {{decision: {decision}, date: {NOW.date()}, reason: its terms}}", beside=True)
    for _ in range(3):
        crawl.visit(hours=3)
    assert set(asked(sandbox)) == found


def test_a_paid_desk_that_is_forbidden_goes_on_for_two_days_then_counts_as_closed(
    crawl: PlannedVisits, sandbox: "Running"
) -> None:
    stale_at = NOW - timedelta(days=4)
    crawl.plan()
    change(DeskState, tried_at=stale_at, last_proven_at=NOW)
    user = add_user().id
    add_grant(user, PlanName.URGENCE_7J, days=7)
    add_alert(user, AlertTarget(desk_id=DESK))
    sandbox.robots("91", FORBIDS)
    crawl.visit_until(f"robots/{desks()[DESK].host}")
    since = state().forbidden_at
    assert since
    crawl.now.move_to(since + timedelta(hours=45))
    assert DESK in crawl.visit()
    crawl.now.move_to(since + timedelta(hours=48))
    crawl.visit()
    (outage,) = rows(Outage, Outage.ends_at.is_(None))
    assert (outage.reason, state().last_outcome, state().due_queue) == ("closed", Outcome.CLOSED, None)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({}, "the page's title does not say"),
        ({"page_title": "Naturalisation par décret"}, "nothing proves yet that people book"),
        ({"page_title": "Permis de conduire", "last_slot_at": NOW}, "the page's title does not say"),
        ({"page_title": "Demande de naturalisation", "last_slot_at": NOW}, None),
        ({"page_title": "Naturalisation", "last_slot_at": NOW, "forbidden_at": NOW}, "robots.txt forbids"),
    ],
)
def test_a_tried_desk_is_sold_where_its_title_fits_and_something_proves_that_people_book(
    facts: dict[str, Any], why: str | None, crawl: PlannedVisits
) -> None:
    crawl.plan()
    change(DeskState, tried_at=NOW, **facts)
    set_tried_desks([DESK])
    with session() as opened:
        doubt = read_standings(opened, [desks()[DESK]])[DESK].doubt or ""
    assert (why or "") in doubt
    assert bool(doubt) is bool(why)


def test_a_link_of_the_prefectures_own_site_of_today_proves_it(crawl: PlannedVisits) -> None:
    crawl.plan()
    change(DeskState, tried_at=NOW, page_title="Naturalisation")
    set_tried_desks([DESK])
    save(DeskLink(desk_id=DESK, page_url="https://a.example", first_seen_at=NOW, seen_at=NOW))
    for later, doubts in ((0, 0), (3, 1)):
        crawl.now.move_to(NOW + timedelta(days=later))
        with session() as opened:
            assert bool(read_standings(opened, [desks()[DESK]])[DESK].doubt) == doubts
