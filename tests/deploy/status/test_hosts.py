"""Hosts that rest, are stopped or have a smaller budget, and outages that last."""

from collections.abc import Callable
from datetime import timedelta

from api.health.host_overview import read_hosts, read_outages
from api.models.base import session
from api.models.desk import HostState, Outage, OutageReason
from configs.clock import clock
from deploy.status import hosts
from tests.deploy.status.conftest import FIRST, SECOND, THIRD

World = Callable[..., None]
MINUTE = timedelta(minutes=1)


def said() -> list[str]:
    return [text.plain for text in hosts.lines(read_hosts())]


def outages_said() -> list[str]:
    return [text.plain for text in hosts.outage_lines(read_outages())]


def test_a_host_that_is_asked_as_usual_is_not_named(world: World) -> None:
    now = clock()
    with session() as s:
        s.add(HostState(host="a:443", rests_until=now - MINUTE, rest_reason="the site refused us"))
        s.add(HostState(host="b:443", budget_share=0.999))
    assert said() == ["all asked as usual"]


def test_what_is_unusual_is_said_the_worst_first(world: World) -> None:
    now = clock()
    with session() as s:
        s.add(HostState(host="a:443", budget_share=0.5))
        s.add(HostState(host="b:443", rests_until=now + 5 * MINUTE, rest_reason="the site refused us"))
        s.add(HostState(host="c:443", stopped_at=now, stop_reason="they called us"))
    assert said() == [
        "c:443 stopped by an operator: they called us",
        "b:443 rests 5 min more: the site refused us",
        "a:443 at 50% of its budget",
    ]


def test_many_hosts_do_not_fill_the_screen(world: World) -> None:
    with session() as s:
        s.add_all([HostState(host=f"{number}:443", budget_share=0.5) for number in range(30)])
    assert said()[-1] == "and 26 more hosts"
    assert len(said()) == 5


def test_outages_that_last_are_counted_by_reason_oldest_first(world: World) -> None:
    now = clock()
    for desk in (FIRST, SECOND, THIRD):
        world(desk)
    with session() as s:
        s.add(Outage(desk_id=FIRST, starts_at=now - MINUTE, reason=OutageReason.BLOCKED))
        s.add(Outage(desk_id=SECOND, starts_at=now - 9 * MINUTE, reason=OutageReason.CAPTCHA))
        s.add(Outage(desk_id=SECOND, starts_at=now - 99 * MINUTE, ends_at=now, reason=OutageReason.CLOSED))
        s.add(Outage(desk_id=THIRD, starts_at=now - 2 * MINUTE, reason=OutageReason.BLOCKED))
    assert outages_said() == [
        "3 desks not watched: 2 blocked · 1 captcha",
        f"captcha for 9 min  {SECOND}",
        f"blocked for 2 min  {THIRD}",
        f"blocked for 60 s  {FIRST}",
    ]


def test_no_outage_is_said_too(world: World) -> None:
    assert outages_said() == ["none"]
