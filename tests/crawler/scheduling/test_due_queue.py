from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

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
from tests.crawler.checks import HOLD, NOW, entry, put, take
from tests.fuzz import times

LUA = Path(due_queue.__file__).with_name("lua")


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def put_apart(client: redis.Redis, **desks: float) -> None:
    """Schedule desks, each on a host of its own, due at that second."""
    put(client, *(entry(desk, f"{desk}:80", due=at(when)) for desk, when in desks.items()))


def end(client: redis.Redis, visit: due_queue.VisitEnd, second: float) -> bool:
    return due_queue.send(client, due_queue.finish("test", [visit], now=at(second)))[0]


def taken(claimed: due_queue.ClaimResult) -> list[str]:
    return [claim.desk_id for claim in claimed.claims]


def test_the_most_overdue_desks_come_first_and_only_as_many_as_there_are_places(client: redis.Redis) -> None:
    put_apart(client, late=-5, later=-60, latest=-3600, early=10)
    assert taken(take(client, places=2)) == ["latest", "later"]
    assert taken(take(client)) == ["late"]


@pytest.mark.rule("4.2")
def test_a_claim_waits_until_its_visit_can_prove_something(client: redis.Redis) -> None:
    slow = due_queue.HostBucket(6, 0.1)
    put(client, entry("desk", "one:80", bucket=slow, cost=3, need=5.5))
    (claim,) = take(client).claims
    assert claim.paid == 3
    spent = [due_queue.send(client, due_queue.spend("test", "desk", claim.token, now=NOW)) for _ in range(4)]
    assert spent == [True, True, True, False]
    end(client, due_queue.VisitEnd("desk", claim.token, at(1), "one:80", at(1)), 1)
    assert take(client, at(31)) == due_queue.ClaimResult(wake=at(55))
    assert taken(take(client, at(55))) == ["desk"]


@pytest.mark.rule("4.2")
def test_a_claim_waits_for_no_more_than_its_bucket_can_hold(client: redis.Redis) -> None:
    put(client, entry("desk", "one:80", bucket=due_queue.HostBucket(6, 0.1), need=9))
    assert taken(take(client)) == ["desk"]


@pytest.mark.rule("4.1")
def test_a_desk_that_nobody_waits_for_goes_last_until_it_is_late(
    client: redis.Redis, settings_env: Callable[..., None]
) -> None:
    settings_env(HEARTBEAT_LATE_SECONDS="600")
    put(client, entry("beat", "one:80", waits=False), entry("paid", "one:80", due=at(500)))
    (paid_one,) = take(client, at(599)).claims
    assert paid_one.desk_id == "paid"
    end(client, due_queue.VisitEnd("paid", paid_one.token, at(600), "one:80", at(600)), 600)
    assert taken(take(client, at(600))) == ["beat"]


@pytest.mark.rule("3.9")
@pytest.mark.parametrize("waits", [True, False])
def test_of_a_host_that_was_not_free_the_most_overdue_desk_comes_first(
    client: redis.Redis, *, waits: bool
) -> None:
    put(client, *(entry(f"d{each}", "one:80", due=at(-each), waits=waits) for each in range(100)))
    due_queue.send(client, due_queue.rest({"one:80": at(30)}, now=at(0)))
    take(client, at(1))
    assert taken(take(client, at(30), places=1)) == ["d99"]


def test_a_claim_counts_tokens_and_turns(client: redis.Redis) -> None:
    put_apart(client, desk=-5)
    (first,) = take(client).claims
    assert first == due_queue.DeskClaim("desk", first.token, 1, "desk:80", first.turn)
    (second,) = take(client, at(HOLD)).claims
    assert second == due_queue.DeskClaim("desk", second.token, 1, "desk:80", first.turn + 1)
    assert second.token > first.token


def test_a_claim_says_when_to_come_again(client: redis.Redis) -> None:
    assert take(client).wake is None
    put_apart(client, soon=4.5, later=60)
    assert take(client).wake == at(4.5)


@pytest.mark.rule("3.5")
def test_a_crashed_check_costs_its_hold_and_no_more(client: redis.Redis) -> None:
    put_apart(client, desk=0)
    take(client)
    assert take(client, at(HOLD - 0.01)) == due_queue.ClaimResult(wake=at(HOLD))
    assert taken(take(client, at(HOLD))) == ["desk"]


@pytest.mark.rule("3.9")
def test_a_host_rests_between_two_visits(client: redis.Redis) -> None:
    put(client, *(entry(desk, "one:80") for desk in ("first", "second")))
    (claim,) = take(client).claims
    end(client, due_queue.VisitEnd(claim.desk_id, claim.token, at(60), "one:80", between=at(31)), 1)
    assert take(client, at(30.9)) == due_queue.ClaimResult(wake=at(31))
    assert taken(take(client, at(31))) == ["second"]


@pytest.mark.rule("3.9")
def test_a_desk_keeps_its_own_gap_even_when_it_is_pushed(client: redis.Redis) -> None:
    put(client, entry("desk", "one:80", gap=30))
    (claim,) = take(client).claims
    end(client, due_queue.VisitEnd("desk", claim.token, at(60), "one:80", between=at(1)), 1)
    client.rpush(due_queue.pushed("test"), "desk")
    assert take(client, at(29.9)) == due_queue.ClaimResult(wake=at(30))
    assert taken(take(client, at(30))) == ["desk"]


@pytest.mark.rule("3.9")
def test_a_rest_outlives_the_visit_that_met_it_and_is_never_made_shorter(client: redis.Redis) -> None:
    put_apart(client, desk=0)
    (claim,) = take(client).claims
    end(client, due_queue.VisitEnd("desk", claim.token, at(2), "desk:80", between=at(1), rest=at(300)), 1)
    due_queue.send(client, due_queue.rest({"desk:80": at(100), "other:80": at(50)}, now=at(1)))
    assert take(client, at(299)) == due_queue.ClaimResult(wake=at(300))
    assert taken(take(client, at(300))) == ["desk"]


@pytest.mark.parametrize("step", [-86400, 0, 86400])
def test_no_callers_clock_counts_but_that_of_redis(
    client: redis.Redis, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose clock is a day off claims what is due, and what it ends is due when it said."""
    monkeypatch.setattr(due_queue, "CLOCK", (LUA / "_clock.lua").read_text("utf-8"))
    now = datetime.now(UTC)
    off = now + timedelta(seconds=step)
    rows = [entry("desk", "one:80", 0, now), entry("later", "two:80", 0, now + timedelta(seconds=60))]
    due_queue.send(client, due_queue.schedule("test", rows, now=now))
    (claim,) = take(client, off).claims
    rested = off + timedelta(seconds=20)
    visit = due_queue.VisitEnd("desk", claim.token, off + timedelta(seconds=40), "one:80", off, rested)
    assert due_queue.send(client, due_queue.finish("test", [visit], now=off)) == [True]
    again = take(client, now)
    assert again.claims == ()
    assert abs((again.wake or now) - now - timedelta(seconds=40)) < timedelta(seconds=5)
    assert abs(float(client.get("crawler:rest:one:80") or 0) - now.timestamp() - 20) < 5


def test_a_desk_moves_forward_only_where_it_is_hurried(client: redis.Redis) -> None:
    put_apart(client, desk=100)
    put_apart(client, desk=50)
    assert take(client).wake == at(100)
    for second in (50, 70):
        assert put(client, entry("desk", "desk:80", due=at(second), hurry=True)) == 0
        assert take(client).wake == at(50)


@pytest.mark.rule("4.4")
def test_a_redis_emptied_twice_gives_running_checks_ever_newer_tokens(client: redis.Redis) -> None:
    tokens: list[int] = []
    for _ in range(3):
        client.flushdb()
        put_apart(client, desk=0)
        tokens += [claim.token for claim in take(client).claims]
    assert tokens == sorted(set(tokens))
    assert len(tokens) == 3


@pytest.mark.rule("4.4")
def test_a_redis_restored_from_an_older_state_gives_newer_tokens_at_once(client: redis.Redis) -> None:
    put_apart(client, desk=0)
    older = take(client).claims[0].token
    client.delete("crawler:token:desk")  # emptied meanwhile
    newest = take(client, at(HOLD)).claims[0].token
    client.set("crawler:token:desk", older)
    assert take(client, at(2 * HOLD)).claims[0].token > newest


def test_pushed_desks_go_through_the_same_claim_and_strangers_are_named(client: redis.Redis) -> None:
    put_apart(client, desk=1000)
    client.rpush(due_queue.pushed("test"), "desk", "stranger")
    assert take(client, places=0).refused == ("stranger",)
    (claim,) = take(client).claims
    assert claim == due_queue.DeskClaim("desk", claim.token, 1, "desk:80", claim.turn)


class Claimers(RuleBasedStateMachine):
    """Two processes, desks that share hosts, time that passes, visits that end in time, late or never."""

    client: redis.Redis

    @initialize(hosts=st.lists(st.sampled_from("xyz"), min_size=1, max_size=6))
    def world(self, hosts: list[str]) -> None:
        self.client.flushdb()
        self.second = 0.0
        self.hosts = {f"desk-{number}": host for number, host in enumerate(hosts)}
        self.held: dict[str, tuple[int, float]] = {}  # desk → token, second its hold ends
        self.lost: list[tuple[str, int]] = []
        self.newest: dict[str, int] = {}
        self.schedule(hurry=False)

    @rule(hurry=st.booleans())
    def schedule(self, *, hurry: bool) -> None:
        put(self.client, *(entry(*desk, due=at(self.second), hurry=hurry) for desk in self.hosts.items()))

    @rule(desk=st.integers(0, 5))
    def push(self, desk: int) -> None:
        self.client.rpush(due_queue.pushed("test"), f"desk-{desk}")

    @rule(seconds=st.sampled_from([0.5, 3, 10, 24, 26]))
    def wait(self, seconds: float) -> None:
        self.second += seconds
        for desk, (token, until) in list(self.held.items()):
            if until <= self.second:
                del self.held[desk]
                self.lost.append((desk, token))

    @rule(places=st.integers(1, 4))
    def claim(self, places: int) -> None:
        claimed = take(self.client, at(self.second), places)
        assert len(claimed.claims) <= places
        for each in claimed.claims:
            busy = {self.hosts[desk] for desk in self.held}
            assert self.hosts[each.desk_id] not in busy, "two visits of one host at once"
            self.newest[each.desk_id] = each.token
            self.held[each.desk_id] = (each.token, self.second + HOLD)
        if len(claimed.claims) < places:
            due = self.client.zrangebyscore("crawler:due:test", 0, at(self.second).timestamp())
            busy = {self.hosts[desk] for desk in self.held}
            assert {self.hosts[str(desk)] for desk in due} <= busy, "a desk was left whose host is free"

    @precondition(lambda self: self.held)
    @rule(data=st.data(), again=st.floats(0, 60))
    def finish(self, data: st.DataObject, again: float) -> None:
        desk = data.draw(st.sampled_from(sorted(self.held)))
        token, _ = self.held.pop(desk)
        assert self.end(desk, token, again)

    @precondition(lambda self: self.lost)
    @rule(data=st.data(), again=st.floats(0, 60))
    def finish_late(self, data: st.DataObject, again: float) -> None:
        desk, token = self.lost.pop(data.draw(st.integers(0, len(self.lost) - 1)))
        assert self.end(desk, token, again) == (token == self.newest[desk])

    def end(self, desk: str, token: int, again: float) -> bool:
        when = at(self.second + again)
        return end(
            self.client,
            due_queue.VisitEnd(desk, token, when, self.hosts[desk], between=at(self.second)),
            self.second,
        )

    @invariant()
    def no_desk_is_lost(self) -> None:
        assert due_queue.members(self.client, "test") == set(self.hosts)

    def teardown(self) -> None:
        self.second += 1000
        self.held.clear()
        seen = set()
        while left := taken(take(self.client, at(self.second))):
            seen.update(left)
            self.second += HOLD
            if seen == set(self.hosts):
                break
        assert seen == set(self.hosts), "a desk never came due again"


@pytest.mark.rule("3.5")
@pytest.mark.fuzz
def test_no_desk_is_held_twice_and_none_is_lost_whatever_happens(client: redis.Redis) -> None:
    Claimers.client = client
    run_state_machine_as_test(Claimers, settings=settings(max_examples=times(40), stateful_step_count=30))
