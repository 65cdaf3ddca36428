"""The played sites, asked by the real spider: what it reads is what the site holds."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from configs.outcome import Outcome
from crawler.items import CheckItem
from deploy.simulation.rate_limit_rules import Rule
from deploy.simulation.releases import Hour, SimulatedRelease
from deploy.simulation.site import SimulatedForm, SimulatedSite
from deploy.simulation.spider import PlayedSpider
from deploy.simulation.virtual_time_loop import simulate
from tests.crawler.held import make_desk

START = datetime(2026, 3, 2, 21, tzinfo=UTC)
HOST = "host-000.invalid:443"
EIGHT = int(datetime(2026, 3, 5, 8, tzinfo=UTC).timestamp())
FORM = 10_000


def check(
    *releases: SimulatedRelease, plannings: tuple[int, ...] = (7,), **site: Any
) -> tuple[CheckItem, SimulatedSite]:
    made = SimulatedSite(HOST, {FORM: SimulatedForm(FORM, plannings, releases)}, **site)
    return checked({HOST: made}), made


def checked(sites: Mapping[str, SimulatedSite]) -> CheckItem:
    spider = PlayedSpider.over(sites, lambda: 0.5)
    desk = make_desk(f"https://host-000.invalid/booking/create/{FORM}")
    return simulate(spider.check(desk, 1), START)


def release(planning: int = 7, begins: float = 0, ends: float = 60) -> SimulatedRelease:
    return SimulatedRelease((Hour(planning, EIGHT, begins, ends), Hour(planning, EIGHT + 1800, begins, ends)))


@pytest.fixture(autouse=True)
def _settings(settings_env: Callable[..., None]) -> None:
    settings_env()


def test_a_full_desk_is_proven_by_the_cheapest_visit() -> None:
    ended, site = check()
    assert (ended.outcome, ended.requests, site.asked) == (Outcome.NO_SLOTS, 3, 3)
    assert ended.milliseconds == 1500


def test_free_hours_are_read_with_their_planning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "crawler.booking.visit_limit", lambda _: 24
    )  # a minute's budget ends before the weeks
    ended, _ = check(release())
    assert ended.outcome is Outcome.SLOTS
    assert [slot.moment_text for slot in ended.slots] == [
        "2026-03-05T08:00:00+00:00",
        "2026-03-05T08:30:00+00:00",
    ]


def test_what_is_gone_or_not_yet_there_is_not_shown() -> None:
    ended, _ = check(release(ends=0.4), release(begins=60, ends=90))
    assert ended.outcome is Outcome.NO_SLOTS


def test_each_planning_is_a_place_of_its_own() -> None:
    ended, _ = check(release(planning=8), plannings=(7, 8))
    assert {slot.place.key for slot in ended.slots} == {"8"}


@pytest.mark.parametrize(("refusal", "outcome"), [(403, Outcome.BLOCKED), (429, Outcome.RATE_LIMITED)])
def test_a_site_without_patience_refuses(refusal: int, outcome: Outcome) -> None:
    ended, site = check(rules=[Rule(2, 60)], refusal=refusal)
    assert (ended.outcome, ended.requests, site.refused, len(site.bans)) == (outcome, 2, 1, 1)


def test_the_busiest_minute_is_kept() -> None:
    _, site = check(plannings=(7, 8))
    assert site.busiest == site.asked > 3
