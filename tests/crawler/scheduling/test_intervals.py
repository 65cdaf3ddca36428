from collections.abc import Callable, Collection
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import redis
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from configs.ground.clock import clock
from configs.world.desk import ROUND_SECONDS, Outcome
from configs.world.prefecture import desks
from crawler.planner import Planner
from crawler.scheduling import due_queue, intervals
from crawler.scheduling.due_queue import queue_names, queue_of
from crawler.scheduling.rounds import plan_rounds
from crawler.spider_processes.keeper import wanted_processes
from tests.crawler.checks import queued_desks
from tests.in_turn import in_turn
from tests.sample_desk_files import desk_entry, prefecture_file

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
seconds = st.floats(1, 86400)


@in_turn(
    "own, plans, expected",
    [(30, [], 6 * 3600), (30, [120], 30), (120, [120, 30], 30), (120, [60], 60), (20, [120], 20)],
)
def test_the_faster_of_tier_and_plans_is_wished_and_the_heartbeat_where_nobody_waits(
    own: float, plans: list[float], expected: float
) -> None:
    assert intervals.wished_interval(own, plans, 6 * 3600) == expected


@given(
    st.dictionaries(st.text(), st.tuples(seconds, st.integers(1, 24)), min_size=1),
    st.floats(1, 60),
)
def test_the_shares_of_a_host_use_its_budget_and_no_more(
    wishes: dict[str, tuple[float, int]], budget: float
) -> None:
    wished = {desk: interval for desk, (interval, _) in wishes.items()}
    costs = {desk: cost for desk, (_, cost) in wishes.items()}
    shares = intervals.share_budget({"another host's": 1.0, **wished}, costs, budget)
    assert sum(cost / shares[desk] for desk, cost in costs.items()) * 60 == pytest.approx(budget)
    assert {desk: shares[desk] / wished[desk] for desk in wished} == pytest.approx(
        dict.fromkeys(wished, next(iter(shares.values())) / next(iter(wished.values())))
    )


@pytest.mark.rule("4.6")
def test_first_times_are_spread() -> None:
    minutes = {intervals.first_due(f"desk/{number}", 600, NOW).minute for number in range(200)}
    assert minutes == set(range(10))


@pytest.mark.rule("4.8")
@in_turn(
    "outcome, inconclusive, expected",
    [
        (Outcome.CAPTCHA, 9, 1920),
        (Outcome.BLOCKED, 1, 60),
        (Outcome.BLOCKED, 6, 240),
        (Outcome.RATE_LIMITED, 40, 60),
        (Outcome.OVERLOADED, 40, 120),
        (Outcome.MAINTENANCE, 40, 300),
        (Outcome.UNREACHABLE, 4, 90),
        (Outcome.UNREACHABLE, 5, 120),
        (Outcome.UNREACHABLE, 6, 240),
        (Outcome.UNREADABLE, 1000, 3600),
    ],
)
def test_how_long_a_desk_waits_after_many(outcome: Outcome, inconclusive: int, expected: float) -> None:
    """After the first two of each outcome: test_outcome_table.py."""
    assert intervals.next_wait(outcome, 60, inconclusive) == expected


@in_turn("outcome", list(Outcome))
def test_a_slow_desk_is_asked_no_more_often_for_being_in_trouble(outcome: Outcome) -> None:
    assert intervals.next_wait(outcome, 7 * 86400, 9) >= 7 * 86400


@given(st.sampled_from(Outcome), st.integers(0, 10_000), seconds, st.floats(0, 3600), st.floats(0, 1))
def test_a_desk_is_never_due_in_the_past_nor_before_its_interval(
    outcome: Outcome, inconclusive: int, interval: float, took: float, lot: float
) -> None:
    now = NOW + timedelta(seconds=took)
    decided = intervals.next_due(
        outcome, started_at=NOW, now=now, interval=interval, inconclusive=inconclusive, lot=lot
    )
    assert decided >= now
    assert decided >= NOW + timedelta(seconds=interval)


@in_turn("ahead, expected", [(-1, 60), (0, 60), (20, 20), (59.5, 59.5), (3600, 60)])
def test_a_desk_is_due_at_the_release_that_its_page_names_too(ahead: float, expected: float) -> None:
    due = intervals.next_due(
        Outcome.NO_SLOTS,
        started_at=NOW,
        now=NOW,
        interval=60,
        inconclusive=0,
        releases_at=NOW + timedelta(seconds=ahead),
    )
    assert due == NOW + timedelta(seconds=expected)


# Crawl queues: what needs a browser waits in a queue of its own and is served by processes of its own.


RULES = "    fetch: browser\n    parameters: {available: li.libre, no_slot_text: Plus rien}\n"


@pytest.fixture
def two(tmp_path: Path, settings_env: Callable[..., None]) -> None:
    """Give two desks, one of which needs a browser; an executable file replaces it."""
    page = desk_entry("page", "http://127.77.0.91:8800/booking/create/23014", date(2026, 11, 20))
    script = desk_entry("script", "http://127.77.0.92:8800/rdv", date(2026, 11, 20)) + RULES
    text = prefecture_file(
        tier=1, hosts=[], desks=[page, script.replace("ezbooking", "selectors")], capital="Évry"
    )
    (tmp_path / "evry_91.yaml").write_text(text)
    settings_env(PREFECTURES_DIR=tmp_path, BROWSER_PATH="/bin/sh")


@pytest.mark.usefixtures("two")
def test_each_desk_waits_in_its_own_lane(
    database: str, redis_server: redis.Redis, frozen: time_machine.Traveller
) -> None:
    assert {desk.slug: str(queue_of(desk)) for desk in desks().values()} == {
        "page": "prefenligne",
        "script": "custom-browser",
    }
    assert wanted_processes() == {"custom-browser": 1, "prefenligne": 1}
    with due_queue.connect() as client:
        Planner(client).run_once(clock())
        sizes = {queue: len(found) for queue in queue_names() if (found := queued_desks(client, queue))}
    assert sizes == {"custom-browser": 1, "prefenligne": 1}


@pytest.mark.usefixtures("two")
def test_without_a_browser_its_desks_wait_nowhere_and_no_process_is_wanted(
    settings_env: Callable[..., None],
) -> None:
    settings_env(BROWSER_PATH="/nowhere/chromium")
    assert wanted_processes() == {"prefenligne": 1}
    assert desks()["evry_91/script"].unwatched_because == (
        "its page needs a browser: BROWSER_PATH names /nowhere/chromium, which is no program that can be run"
    )


# Rounds of departments: how long they take beside each other, and which of them may be watched.


HEARTBEAT = 21_600.0
COST, BUDGET = 6.0, 6.0  # a visit uses a minute's budget


def plan(
    visits: dict[str, int], waited_for: Collection[str] = (), watched: Collection[str] = ()
) -> tuple[set[str], dict[str, float]]:
    """Return which desks are watched, and the rounds in minutes; any desk of no department is `page`."""
    wished = dict.fromkeys(visits, HEARTBEAT) | {"page": HEARTBEAT}
    found, rounds = plan_rounds(
        visits, fast=dict.fromkeys(visits, 30.0), wished=wished, waited_for=waited_for, watched=watched,
        costs=dict.fromkeys(wished, COST), budget=BUDGET,
    )  # fmt: skip
    assert found["page"] == HEARTBEAT
    return {desk for desk in visits if found[desk] < HEARTBEAT}, {
        desk: round(seconds / 60, 1) for desk, seconds in rounds.items()
    }


def test_a_round_is_all_its_visits_at_what_the_budget_allows() -> None:
    assert plan({"a": 10}, {"a"}) == ({"a"}, {"a": 10.0})


def test_what_nobody_waits_for_is_told_by_the_round_that_it_would_have_beside_those_watched() -> None:
    watched, rounds = plan({"a": 10, "b": 3, "c": 10}, {"a"})
    assert (watched, rounds["a"]) == ({"a"}, 10.0)
    assert rounds["b"] == rounds["c"] == pytest.approx(20, abs=0.2)  # that of `a` would become as long


def test_a_department_is_watched_only_while_no_round_becomes_too_long_by_it() -> None:
    watched, rounds = plan({"a": 7, "b": 7, "c": 7}, {"a", "b", "c"})
    assert watched == {"a", "b"}
    assert max(rounds["a"], rounds["b"]) * 60 <= ROUND_SECONDS < rounds["c"] * 60


def test_those_that_were_watched_stay_and_come_first() -> None:
    assert plan({"a": 7, "b": 7, "c": 7}, {"a", "b", "c"}, {"b", "c"})[0] == {"b", "c"}
    assert plan({"a": 20, "b": 7}, {"a", "b"}, {"a"})[0] == {"a"}


def test_one_that_nobody_waits_for_any_more_gives_its_place_back() -> None:
    assert plan({"a": 10, "b": 10}, {"b"}, {"a"}) == ({"b"}, {"a": 20.0, "b": 10.0})
