"""The walks' rows and what is remembered: one open, not repeated, asked once a day; and what silence is."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine

from api.models.base import session
from api.models.check import Check
from api.models.desk import OutageReason
from api.models.discovery import DiscoveryRun
from api.models.partitions import make_partitions
from configs.desk import Desk, WatchLevel
from configs.outcome import Outcome
from configs.prefecture import desks
from crawler.discovery import runs, store
from crawler.discovery.daily_schedule import Daily
from crawler.discovery.observations import LandingSeen, ObservedPage, PageSeen
from tests.crawler.incidents.incidents_world import HOUR, NOW, checked, desk, out

DAY = timedelta(days=1)
PAGE = "http://127.77.5.1:8800/rendez-vous"


@pytest.fixture(autouse=True)
def world(database: str, desk_files: Callable[..., dict[str, Desk]], frozen: time_machine.Traveller) -> None:
    desk_files(a="127.77.0.91:8800", b="127.77.0.92:8800")


def due(at: Any) -> bool:
    with session() as rows:
        return runs.due(rows, at)


def test_one_walk_is_open_and_whoever_comes_joins_it() -> None:
    with session() as rows:
        first = runs.join(rows, NOW)
        assert runs.join(rows, NOW + HOUR) == first
        runs.end(rows, first, NOW + HOUR, cut=False, pages=3)
        assert runs.join(rows, NOW + 2 * HOUR).id != first.id
        assert rows.scalar(sa.select(DiscoveryRun.pages).where(DiscoveryRun.id == first.id)) == 3


def test_a_walk_is_due_once_a_day_and_while_it_is_open() -> None:
    assert due(NOW)
    with session() as rows:
        run = runs.join(rows, NOW)
    assert due(NOW + HOUR)
    with session() as rows:
        assert runs.lock_run(rows, run)
        runs.end(rows, run, NOW + HOUR, cut=False, pages=3)
        assert not runs.lock_run(rows, run)
    assert not due(NOW + DAY - HOUR)
    assert due(NOW + DAY)


def test_a_walk_has_its_time(settings_env: Callable[..., None]) -> None:
    settings_env(DISCOVERY_SECONDS="60")
    run = runs.Run(1, NOW)
    assert (run.over(NOW + timedelta(seconds=59)), run.over(NOW + timedelta(seconds=60))) == (False, True)


@pytest.fixture
def one_site(
    desk_files: Callable[..., dict[str, Desk]], tmp_path: Any, settings_env: Callable[..., None]
) -> None:
    file = tmp_path / "prefectures" / "evry_91.yaml"
    file.write_text(file.read_text().replace("https://www.essonne.gouv.fr", "http://127.77.5.1:8800"))
    settings_env(DISCOVERY_PROCESSES="2")


@pytest.mark.usefixtures("one_site")
def test_the_keeper_starts_what_is_missing_of_a_walk_that_is_due() -> None:
    daily = Daily()
    assert [daily.missing(running, NOW) for running in (0, 1, 2, 3)] == [2, 1, 0, 0]
    with session() as rows:
        runs.end(rows, runs.join(rows, NOW), NOW, cut=False, pages=1)
    assert [daily.missing(0, NOW + at) for at in (HOUR, DAY)] == [0, 2]


def test_the_keeper_starts_none_where_no_site_may_be_asked(
    settings_env: Callable[..., None], caplog: Any
) -> None:
    settings_env(DISCOVERY_PROCESSES="1")
    daily = Daily()
    assert [daily.missing(0, NOW + minutes * HOUR) for minutes in (0, 1)] == [0, 0]
    assert caplog.text.count("is not on this machine") == 1


@pytest.mark.usefixtures("one_site")
def test_the_keeper_starts_none_while_the_database_is_away(
    settings_env: Callable[..., None], caplog: Any
) -> None:
    settings_env(DATABASE_URL="postgresql://127.0.0.1:1/none")
    assert Daily().missing(0, NOW) == 0
    assert "no walk of the prefectures' sites is started" in caplog.text


# Memory


def seen(title: str = "Rendez-vous", url: str = PAGE) -> PageSeen:
    return PageSeen("evry_91", url, ObservedPage.READ, "", title)


def test_links_are_remembered_until_others_take_their_place() -> None:
    other = f"{PAGE}/2"
    with session() as rows:
        store.remember_links(rows, {"evry_91/a": [seen(), seen(url=other)], "evry_91/b": [seen()]}, NOW)
        store.remember_links(rows, {"evry_91/a": [seen("Neuf")]}, NOW + DAY)
        store.remember_links(rows, {}, NOW + 2 * DAY)
        known = store.before(rows)
        assert known["evry_91/a"].links == {PAGE: "Neuf"}
        assert known["evry_91/b"].links == {PAGE: "Rendez-vous"}, (
            "one that nobody links is looked for where it was"
        )
        assert store.linking_pages(rows) == {"evry_91": {PAGE}}


def test_a_desks_own_page_is_asked_once_a_day_by_whoever_comes() -> None:
    with session() as rows:
        asked = [store.landing_due(rows, "evry_91/a", NOW + at) for at in (0 * HOUR, HOUR, 22 * HOUR, DAY)]
        assert asked == [True, False, False, True]
        store.remember_titles(rows, [LandingSeen("evry_91/a", 200, PAGE, "Titre")])
        store.remember_titles(
            rows, [LandingSeen("evry_91/a", None, PAGE, "Refus"), LandingSeen("evry_91/a", 200)]
        )
        assert store.before(rows)["evry_91/a"].title == "Titre"


def life(slug: str = "a", **change: Any) -> Any:
    desk(slug)
    known = [each.model_copy(update=change) for each in desks().values()]
    with session() as rows:
        return store.lives(rows, known, NOW)[f"evry_91/{slug}"]


def days_of(slug: str, outcome: Outcome, first: int) -> None:
    with session() as rows:
        make_partitions(rows, (NOW - 20 * DAY).date(), days=30)
    checked(slug, *((outcome, NOW - number * DAY) for number in range(first, -1, -1)))


def test_a_desk_that_was_asked_all_the_while_and_proved_nothing_is_silent() -> None:
    days_of("a", Outcome.UNREADABLE, 9)
    assert life().silent_since <= NOW - 7 * DAY
    assert life().lived_at is None


def test_who_was_not_asked_is_not_silent() -> None:
    days_of("a", Outcome.UNREADABLE, 3)
    assert life().silent_since == NOW - 3 * DAY
    with session() as rows:
        rows.execute(sa.delete(Check).where(Check.started_at > NOW - 2 * DAY))
        rows.execute(sa.text("UPDATE desks SET last_check_at = :at"), {"at": NOW - 2 * DAY})
    assert life().silent_since is None, "we have been away ourselves"


def test_a_proof_ends_silence_and_so_does_a_captcha_where_there_always_is_one() -> None:
    days_of("a", Outcome.CAPTCHA, 9)
    assert life().lived_at is None
    assert life(watch=WatchLevel.PRESENCE).lived_at == NOW
    assert life(watch=WatchLevel.PRESENCE).silent_since == NOW
    checked("a", (Outcome.NO_SLOTS, NOW - HOUR), (Outcome.UNREADABLE, NOW))
    assert (life().lived_at, life().silent_since) == (NOW - HOUR, NOW - HOUR)


def test_what_an_operator_stopped_is_known() -> None:
    out("a", OutageReason.STOPPED, NOW)
    assert life().stopped
    assert not life("b").stopped
