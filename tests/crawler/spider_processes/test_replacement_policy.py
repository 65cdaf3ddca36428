from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crawler.spider_processes.registry import SpiderProcess
from crawler.spider_processes.replacement_policy import Code, Decision, Job, decide, replacement_reason

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
CODE = Code("new", NOW - timedelta(minutes=5))
HOUR = timedelta(hours=1)


def job(name: str, **said: Any) -> Job:
    process = SpiderProcess(
        name, "prefenligne", name, 7, "serving", "holder", NOW - HOUR, CODE.version, 90, 0, 0
    )
    return Job(name, replace(process, **said), patience=60)


def mute(name: str, silent: float = 1) -> Job:
    return Job(name, None, silent, patience=60)


def decided(wanted: int, *jobs: Job) -> Decision:
    return decide(jobs, wanted, CODE, NOW)


def ends(*names: str, why: str = "one too many") -> Decision:
    return Decision(end=tuple((name, why) for name in names))


OLD = {"version": "old"}
REASON = "it runs version old, now there is new"


def test_what_is_missing_is_started_and_what_ends_counts_as_missing() -> None:
    asked = replace(mute("b"), asked=True)
    assert decided(3, job("a"), asked, job("c", state="ending")) == Decision(2)
    assert decided(1, job("a")) == Decision()


def test_a_tired_spider_gets_a_successor_before_it_is_asked_to_end() -> None:
    old = job("old", **OLD)
    assert decided(1, old) == Decision(1, f"to replace job old: {REASON}")
    assert decided(1, old, mute("new")) == Decision()
    assert decided(1, old, job("new", state="waiting")) == ends("old", why=REASON)
    assert decided(1, replace(old, asked=True), job("new", state="waiting")) == Decision()


def test_a_successor_that_never_comes_up_is_ended_and_not_its_predecessor() -> None:
    old, stuck = job("old", **OLD), mute("stuck", silent=61)
    assert decided(1, old, stuck) == ends("stuck", why="it has not been heard of for 61 s")


def test_spiders_are_replaced_one_after_the_other() -> None:
    first, second = job("a", **OLD), job("b", **OLD)
    assert decided(2, first, second).start == 1
    assert decided(2, first, second, job("c")) == ends("a", why=REASON)
    assert decided(2, replace(first, asked=True), second, job("c")) == Decision()
    assert decided(2, second, job("c")).start == 1


def test_one_too_many_is_the_youngest_that_has_come_up() -> None:
    assert decided(1, job("a"), job("b")) == ends("b")
    assert decided(1, job("a"), job("b"), mute("c")) == Decision()
    assert decided(1, mute("a"), job("b")) == Decision()
    assert decided(0, job("a"), job("b")) == ends("b", "a")


def test_a_spider_that_hangs_is_replaced_too() -> None:
    found = decided(1, mute("hung", silent=61))
    assert found.start == 1
    assert decided(1, mute("hung", silent=61), job("new")).end[0][0] == "hung"
    assert decided(1, mute("slow", silent=59)) == Decision()


def test_where_nobody_comes_up_the_youngest_makes_room_for_another_try() -> None:
    assert decided(1, mute("hung", silent=61), mute("stuck", silent=60)) == Decision()
    assert decided(1, mute("hung", silent=999), mute("stuck", silent=61)) == ends(
        "stuck", why="it has not been heard of for 61 s"
    )


def test_who_may_be_silent_for_longer_is_waited_for() -> None:
    slow = replace(mute("slow", silent=119), patience=120)
    assert decided(1, job("old", **OLD), slow) == Decision()
    assert decided(1, job("old", **OLD), replace(slow, silent=121)).end[0][0] == "slow"


def test_memory_makes_tired(settings_env: Callable[..., None]) -> None:
    settings_env(SPIDER_MEMORY_MB="100")
    assert replacement_reason(job("a", memory=100), CODE, NOW) is None
    assert replacement_reason(job("a", memory=101), CODE, NOW) == "it holds 101 MB, more than the 100 it may"


def test_age_makes_tired_not_all_at_once(settings_env: Callable[..., None]) -> None:
    settings_env(SPIDER_AGE_SECONDS="100")

    def tired(seconds: float) -> int:
        began = NOW - timedelta(seconds=seconds)
        return sum(
            replacement_reason(job(str(number), started=began), None, NOW) is not None
            for number in range(200)
        )

    assert tired(100) == 0
    assert tired(126) == 200
    assert 70 < tired(112.5) < 130


def test_a_version_that_is_not_settled_makes_nobody_tired() -> None:
    assert replacement_reason(job("a", **OLD), None, NOW) is None


@pytest.mark.parametrize(("minutes", "why"), [(-6, REASON), (-4, None)])
def test_who_began_after_the_version_came_and_runs_another_is_left_alone(
    minutes: int, why: str | None
) -> None:
    assert replacement_reason(job("a", **OLD, started=NOW + timedelta(minutes=minutes)), CODE, NOW) == why
