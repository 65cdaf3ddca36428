"""The walks' rows and what is remembered: one open, not repeated; and what silence is."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from api.models.base import session
from api.models.check import make_partitions
from api.models.discovery import DriftReason
from configs.world.desk import Desk, Outcome, WatchLevel
from configs.world.prefecture import desks, prefecture
from crawler.discovery import daily_schedule, moved_page_rules, results
from crawler.discovery.booking_links import Booking
from crawler.discovery.daily_schedule import Daily
from crawler.discovery.observations import ObservedPage, PageSeen
from crawler.discovery.site_walk import SiteWalk
from crawler.incidents import moved_pages
from tests.crawler.incidents.incidents_world import HOUR, NOW, checked, desk

DAY = timedelta(days=1)
PAGE = "http://127.77.5.1:8800/rendez-vous"


@pytest.fixture(autouse=True)
def world(database: str, desk_files: Callable[..., dict[str, Desk]], frozen: time_machine.Traveller) -> None:
    desk_files(a="127.77.0.91:8800", b="127.77.0.92:8800")


def due(at: Any) -> bool:
    with session() as rows:
        return daily_schedule.due(rows, at)


def test_a_walk_is_due_once_a_day_and_while_it_is_open() -> None:
    assert due(NOW)
    with session() as rows:
        run = daily_schedule.begin(rows, NOW)
    assert due(NOW + HOUR)
    with session() as rows:
        assert daily_schedule.end(rows, run, NOW + HOUR, cut=False, pages=3)
        assert not daily_schedule.end(rows, run, NOW + HOUR, cut=False, pages=4)
    assert not due(NOW + DAY - HOUR)
    assert due(NOW + DAY)


def test_a_link_that_is_back_ends_the_drift_of_a_missing_link_and_no_other(
    tmp_path: Any, settings_env: Callable[..., None]
) -> None:
    settings_env(STATE_DIR=tmp_path)
    a, b = (desk(slug) for slug in "ab")
    with session() as rows:
        moved_pages.open_drifts(rows, [(a, DriftReason.UNLINKED, "x"), (b, DriftReason.SILENT, "x")], NOW)
        run = daily_schedule.begin(rows, NOW)
    links = tuple(Booking(desks()[each].url, "x") for each in (a, b))
    site = SiteWalk(prefecture("evry_91"))
    site.record(PageSeen("evry_91", PAGE, ObservedPage.READ, bookings=links))
    results.finish(run, {"evry_91": site}, NOW + HOUR)
    with session() as rows:
        assert [each.desk_id for each in moved_pages.find_open_drifts(rows)] == [b]
        assert results.load_linking_pages(rows) == {a: {PAGE}, b: {PAGE}}


@pytest.fixture
def one_site(
    desk_files: Callable[..., dict[str, Desk]], tmp_path: Any, settings_env: Callable[..., None]
) -> None:
    file = tmp_path / "prefectures" / "evry_91.yaml"
    file.write_text(file.read_text().replace("https://www.essonne.gouv.fr", "http://127.77.5.1:8800"))
    settings_env(DISCOVERY="true")


@pytest.mark.usefixtures("one_site")
def test_a_walk_is_started_when_it_is_due(settings_env: Callable[..., None]) -> None:
    daily = Daily()
    assert daily.is_due(NOW)
    with session() as rows:
        daily_schedule.end(rows, daily_schedule.begin(rows, NOW), NOW, cut=False, pages=1)
    assert [daily.is_due(NOW + at) for at in (HOUR, DAY)] == [False, True]
    settings_env(DISCOVERY="false")
    assert not Daily().is_due(NOW + DAY)


def test_none_is_started_where_no_site_may_be_asked(settings_env: Callable[..., None], caplog: Any) -> None:
    settings_env(DISCOVERY="true")
    daily = Daily()
    assert not any(daily.is_due(NOW + hours * HOUR) for hours in (0, 1))
    assert caplog.text.count("is not on this machine") == 1


# Memory


def life(slug: str = "a", **change: Any) -> Any:
    desk(slug)
    known = [each.model_copy(update=change) for each in desks().values()]
    with session() as rows:
        return moved_page_rules.load_histories(rows, known, NOW)[f"evry_91/{slug}"]


def days_of(slug: str, outcome: Outcome, first: int) -> None:
    with session() as rows:
        make_partitions(rows, (NOW - 20 * DAY).date(), days=30)
    checked(slug, *((outcome, NOW - number * DAY) for number in range(first, -1, -1)))


def test_a_desk_that_was_asked_all_the_while_and_proved_nothing_is_silent() -> None:
    days_of("a", Outcome.UNREADABLE, 9)
    assert life().silent_since <= NOW - 7 * DAY


def test_a_proof_ends_silence_and_so_does_a_captcha_where_there_always_is_one() -> None:
    days_of("a", Outcome.CAPTCHA, 9)
    assert life().silent_since <= NOW - 7 * DAY
    assert life(watch=WatchLevel.PRESENCE).silent_since == NOW
    checked("a", (Outcome.NO_SLOTS, NOW - HOUR), (Outcome.UNREADABLE, NOW))
    assert life().silent_since == NOW - HOUR
