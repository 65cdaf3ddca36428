"""The requests of a host: one bucket for all processes and systems, filled by time, emptied by claims and visits."""

from datetime import datetime, timedelta

import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from crawler.scheduling import due_queue
from crawler.scheduling.due_queue import HostBucket
from tests.crawler.checks import HOLD, NOW, entry, put, take
from tests.fuzz import times

COST = 3
SIX = HostBucket(6, 0.1)  # six requests a minute
HOST = "one:80"


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def put_all(client: redis.Redis, *desks: str, system: str = "test", lost: bool = False) -> None:
    put(client, *(entry(desk, HOST, cost=COST, bucket=SIX, lost=lost) for desk in desks), system=system)


def spend(client: redis.Redis, claim: due_queue.DeskClaim, second: float = 0, system: str = "test") -> bool:
    return due_queue.send(client, due_queue.spend(system, claim.desk_id, claim.token, now=at(second)))


def end(
    client: redis.Redis, claim: due_queue.DeskClaim, second: float, unused: int = 0, again: float = 0
) -> None:
    visit = due_queue.VisitEnd(
        claim.desk_id, claim.token, at(again or second), HOST, between=at(second), unused=unused
    )
    due_queue.send(client, due_queue.finish("test", [visit], now=at(second)))


def test_a_claim_pays_for_the_cheapest_visit_and_waits_for_what_it_lacks(client: redis.Redis) -> None:
    put_all(client, "a")
    for second in (0, 1):
        (claim,) = take(client, at(second)).claims
        assert claim.paid == COST
        end(client, claim, second)
    empty = take(client, at(2))
    assert (empty.claims, empty.wake) == ((), at(30))  # two visits took six, the second at a second of growth
    assert not take(client, at(29.9)).claims
    assert take(client, at(30)).claims


@pytest.mark.rule("3.9")
def test_a_visit_of_a_stopped_host_asks_nothing_more(client: redis.Redis) -> None:
    put_all(client, "a")
    (claim,) = take(client).claims
    due_queue.replace_stopped(client, [HOST])
    assert not spend(client, claim)
    assert client.smembers(due_queue.STOPPED) == {HOST}
    due_queue.replace_stopped(client, [])
    assert spend(client, claim)


def test_a_bucket_that_redis_lost_begins_empty(client: redis.Redis) -> None:
    put_all(client, "a", lost=True)
    assert take(client).wake == at(COST / SIX.rate)
    assert take(client, at(COST / SIX.rate)).claims


def test_a_desk_that_nobody_waits_for_comes_after_all_that_somebody_does(client: redis.Redis) -> None:
    rows = [entry(f"beat-{number}", f"beat-{number}:80", 0, at(-1000), waits=False) for number in range(250)]
    rows += [entry("beside", HOST, 0, at(-1700), waits=False), entry("paid", HOST, 0, at(-1))]
    put(client, *rows)
    first, _ = take(client, places=2).claims
    assert first.desk_id == "paid"


class Askers(RuleBasedStateMachine):
    """Two systems on one host with six requests a minute: visits that pay, spend, end, end late or never."""

    client: redis.Redis

    @initialize()
    def world(self) -> None:
        self.client.flushdb()
        self.second = 0.0
        self.held: list[
            tuple[str, due_queue.DeskClaim, int, float]
        ] = []  # system, claim, requests made, end of hold
        self.made: list[float] = []  # instants of requests
        self.left, self.since = SIX.capacity, 0.0
        for system in ("test", "other"):
            put_all(self.client, f"{system}-1", f"{system}-2", system=system)

    def level(self) -> float:
        """Return what the bucket must hold now, as a sum done by hand."""
        self.left = min(SIX.capacity, self.left + (self.second - self.since) * SIX.rate)
        self.since = self.second
        return self.left

    @rule(seconds=st.sampled_from([0.5, 3, 7, 10, 26, 61]))
    def wait(self, seconds: float) -> None:
        self.second += seconds
        self.held = [each for each in self.held if each[3] > self.second]

    @rule(system=st.sampled_from(["test", "other"]))
    def claim(self, system: str) -> None:
        level, busy = self.level(), bool(self.held)
        claims = take(self.client, at(self.second), system=system).claims
        assert len(claims) <= 1
        if busy or level < COST - 1e-3:
            assert not claims, "a visit without requests, or beside another"
        for each in claims:
            assert each.paid == COST
            self.left -= COST
            self.held.append((system, each, 0, self.second + HOLD))

    @precondition(lambda self: self.held)
    @rule(times=st.integers(1, 5))
    def ask(self, times: int) -> None:
        system, claim, made, until = self.held.pop()
        for _ in range(times):
            if made >= COST:
                level, allowed = self.level(), spend(self.client, claim, self.second, system)
                if abs(level - 1) > 1e-3:
                    assert allowed == (level > 1)
                if not allowed:
                    break
                self.left -= 1
            made += 1
            self.made.append(self.second)
        self.held.append((system, claim, made, until))

    @precondition(lambda self: self.held)
    @rule(again=st.floats(0, 90))
    def finish(self, again: float) -> None:
        system, claim, made, _ = self.held.pop()
        unused = max(0, COST - made)
        visit = due_queue.VisitEnd(
            claim.desk_id, claim.token, at(self.second + again), HOST, at(self.second), unused=unused
        )
        assert due_queue.send(self.client, due_queue.finish(system, [visit], now=at(self.second))) == [True]
        self.left = min(SIX.capacity, self.level() + unused)

    @invariant()
    def no_minute_has_more_than_two_budgets_and_no_hour_more_than_its_own(self) -> None:
        for span in (60.0, 3600.0):
            late = [second for second in self.made if second > self.second - span]
            assert len(late) <= SIX.capacity + SIX.rate * span + 1e-3

    def teardown(self) -> None:
        self.held.clear()
        self.second += 3600
        seen = set()
        for _ in range(8):
            for system in ("test", "other"):
                claims = take(self.client, at(self.second), system=system).claims
                seen |= {claim.desk_id for claim in claims}
                self.second += 60
        assert seen == {"test-1", "test-2", "other-1", "other-2"}, "a desk never came due again"


@pytest.mark.rule("3.9")
@pytest.mark.fuzz
def test_no_host_is_asked_more_than_its_budget_whatever_happens(client: redis.Redis) -> None:
    Askers.client = client
    run_state_machine_as_test(Askers, settings=settings(max_examples=times(25), stateful_step_count=30))


@pytest.mark.rule("3.9")
def test_a_visit_that_lost_its_host_asks_nothing_more(client: redis.Redis) -> None:
    put_all(client, "a", "b")
    (late,) = take(client).claims
    assert late.desk_id == "a"
    (own,) = take(client, at(HOLD + 5)).claims
    assert own.desk_id != late.desk_id
    assert not spend(client, late, HOLD + 5)
    assert spend(client, own, HOLD + 5)


@pytest.mark.rule("3.9")
def test_an_emptied_redis_gives_a_running_visit_nothing_more(client: redis.Redis) -> None:
    put_all(client, "a")
    (claim,) = take(client).claims
    client.flushdb()
    assert not spend(client, claim)
    put_all(client, "a")
    assert not spend(client, claim)
