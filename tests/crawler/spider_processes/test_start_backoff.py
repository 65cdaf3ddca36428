from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from crawler.spider_processes.start_backoff import Tries

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def tries(settings_env: Callable[..., None]) -> Tries:
    settings_env(
        KEEPER_SECONDS="2",
        SPIDER_PAUSE_SECONDS="10",
        SPIDER_SETTLED_SECONDS="120",
        KEEPER_PATIENCE_SECONDS="60",
        KEEPER_PATIENCE_MAX_SECONDS="200",
    )
    return Tries()


def fail(tries: Tries, at: datetime) -> None:
    tries.begin("job", NOW)
    tries.see({}, at)


def test_the_pause_grows_and_counts_from_the_end_of_what_failed(tries: Tries) -> None:
    assert tries.may_start(NOW)
    fail(tries, NOW)
    assert tries.may_start(NOW)  # it may have been an accident
    for pause in (2, 4, 8, 10, 10):
        fail(tries, NOW)
        assert not tries.may_start(after(pause - 1))
        assert tries.may_start(after(pause))


def test_a_pause_has_a_bound_however_often_it_failed(tries: Tries) -> None:
    tries.failed = 100_000
    fail(tries, NOW)
    assert tries.may_start(after(10))


def test_spiders_that_end_together_are_one_failure(tries: Tries) -> None:
    for job in "abc":
        tries.begin(job, NOW)
    tries.see({"c": False}, NOW)
    assert (tries.failed, list(tries.open)) == (1, ["c"])


def test_patience_grows_with_each_that_was_given_up_without_a_word_and_has_a_bound(tries: Tries) -> None:
    for seconds in (60, 120, 200, 200):
        tries.begin("job", NOW)
        assert tries.patience("job") == seconds
        tries.given_up("job")
        tries.see({}, NOW)


def test_who_spoke_once_or_started_long_ago_has_the_usual_patience(tries: Tries) -> None:
    tries.unheard = 2
    tries.begin("new", NOW)
    tries.see({"new": True, "old": False}, NOW)
    assert (tries.patience("new"), tries.patience("old")) == (60, 60)


def test_a_patience_that_is_longer_than_the_longest_stays(
    tries: Tries, settings_env: Callable[..., None]
) -> None:
    settings_env(KEEPER_PATIENCE_SECONDS="240", KEEPER_PATIENCE_MAX_SECONDS="200")
    tries.begin("job", NOW)
    assert tries.patience("job") == 240


def test_who_runs_for_long_enough_ends_the_row_of_failures_and_patience_shrinks_by_a_step(
    tries: Tries,
) -> None:
    tries.failed, tries.unheard, tries.over = 5, 2, NOW
    tries.begin("job", NOW)
    tries.see({"job": False}, after(500))
    tries.see({"job": True}, after(501))
    tries.see({"job": True}, after(620))
    assert (tries.failed, tries.unheard, list(tries.open)) == (5, 2, ["job"])
    tries.see({"job": True}, after(621))
    assert (tries.failed, tries.unheard, tries.open) == (0, 1, {})


def test_who_comes_up_and_ends_soon_has_failed_too_unless_it_was_asked_to(tries: Tries) -> None:
    for asked, failed in ((False, 1), (True, 1)):
        tries.begin("job", NOW)
        tries.see({"job": True}, NOW)
        if asked:
            tries.given_up("job")
        tries.see({}, after(5))
        assert (tries.failed, tries.unheard) == (failed, 0)


def test_who_came_up_before_the_others_failed_proves_nothing_of_them(tries: Tries) -> None:
    tries.begin("first", NOW)
    tries.see({"first": True}, NOW)
    tries.begin("second", NOW)
    tries.given_up("second")
    tries.see({"first": True}, after(60))
    tries.see({"first": True}, after(120))
    assert (tries.failed, tries.unheard, tries.open) == (1, 1, {})


def test_one_is_on_its_way_until_it_is_heard_of_or_patience_ends(tries: Tries) -> None:
    tries.begin("job", NOW)
    assert tries.starting(after(60))
    assert not tries.starting(after(61))
    tries.unheard = 1
    assert tries.starting(after(61))
    tries.see({"job": True}, after(62))
    assert not tries.starting(after(62))
