from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from crawler.spider_processes.start_backoff import StartBackoff

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def starts(settings_env: Callable[..., None]) -> StartBackoff:
    settings_env(
        KEEPER_SECONDS="2",
        SPIDER_PAUSE_SECONDS="10",
        SPIDER_SETTLED_SECONDS="120",
        KEEPER_PATIENCE_SECONDS="60",
        KEEPER_PATIENCE_MAX_SECONDS="200",
    )
    return StartBackoff()


def fail(starts: StartBackoff, at: datetime) -> None:
    starts.begin("job", NOW)
    starts.see({}, at)


def test_the_pause_grows_and_counts_from_the_end_of_what_failed(starts: StartBackoff) -> None:
    assert starts.may_start(NOW)
    fail(starts, NOW)
    assert starts.may_start(NOW)  # it may have been an accident
    for pause in (2, 4, 8, 10, 10):
        fail(starts, NOW)
        assert not starts.may_start(after(pause - 1))
        assert starts.may_start(after(pause))


def test_a_pause_has_a_bound_however_often_it_failed(starts: StartBackoff) -> None:
    starts.failed = 100_000
    fail(starts, NOW)
    assert starts.may_start(after(10))


def test_a_clock_that_was_set_back_lengthens_no_pause(starts: StartBackoff) -> None:
    for _ in range(2):
        fail(starts, NOW)
    assert starts.may_start(after(-3600))


def test_spiders_that_end_together_are_one_failure(starts: StartBackoff) -> None:
    for job in "abc":
        starts.begin(job, NOW)
    starts.see({"c": False}, NOW)
    assert (starts.failed, list(starts.open)) == (1, ["c"])


def test_patience_grows_with_each_failure_and_has_a_bound(starts: StartBackoff) -> None:
    for seconds in (60, 120, 200, 200):
        starts.begin("job", NOW)
        assert starts.patience("job") == seconds
        starts.cancel("job")
        starts.see({}, NOW)


def test_who_spoke_once_or_started_long_ago_has_the_usual_patience(starts: StartBackoff) -> None:
    starts.failed = 2
    starts.begin("new", NOW)
    starts.see({"new": True, "old": False}, NOW)
    assert (starts.patience("new"), starts.patience("old")) == (60, 60)


def test_a_patience_that_is_longer_than_the_longest_stays(
    starts: StartBackoff, settings_env: Callable[..., None]
) -> None:
    settings_env(KEEPER_PATIENCE_SECONDS="240", KEEPER_PATIENCE_MAX_SECONDS="200")
    starts.begin("job", NOW)
    assert starts.patience("job") == 240


def test_who_runs_for_long_enough_ends_the_row_of_failures(starts: StartBackoff) -> None:
    starts.failed, starts.over = 5, NOW
    starts.begin("job", NOW)
    starts.see({"job": False}, after(500))
    starts.see({"job": True}, after(501))
    starts.see({"job": True}, after(620))
    assert (starts.failed, list(starts.open)) == (5, ["job"])
    starts.see({"job": True}, after(621))
    assert (starts.failed, starts.open) == (0, {})


def test_who_comes_up_and_ends_soon_has_failed_too_unless_it_was_asked_to(starts: StartBackoff) -> None:
    for asked, failed in ((False, 1), (True, 1)):
        starts.begin("job", NOW)
        starts.see({"job": True}, NOW)
        if asked:
            starts.cancel("job")
        starts.see({}, after(5))
        assert starts.failed == failed


def test_who_came_up_before_the_others_failed_proves_nothing_of_them(starts: StartBackoff) -> None:
    starts.begin("first", NOW)
    starts.see({"first": True}, NOW)
    starts.begin("second", NOW)
    starts.cancel("second")
    starts.see({"first": True}, after(60))
    starts.see({"first": True}, after(120))
    assert (starts.failed, starts.open) == (1, {})
