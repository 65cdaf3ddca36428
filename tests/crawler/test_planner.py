import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import redis
import sqlalchemy as sa
import time_machine

from api.accounts.service import give_plan
from api.alerts import service as alert_service
from api.models.alert import Alert, AlertTarget, ClosedBecause
from api.models.base import engine, session
from api.models.candidate import Candidate, CandidateSource, CandidateState
from api.models.desk import DeskChange, DeskState, DeskStatus, HostState, Outage, OutageReason
from api.models.user import User
from configs.world.desk import Desk, Outcome, Procedure
from configs.world.plan import PlanName
from crawler import planner
from crawler.planner import Planner
from crawler.scheduling import due_queue
from crawler.scheduling.due_queue import CrawlQueue
from tests.crawler.checks import HOST, NOW, queued_desks, take
from tests.factories import add_alert, add_grant, add_user, change, get, rows, save, save_all
from tests.waiting import until

HEARTBEAT = 6 * 3600
SYSTEM = "prefenligne"
_WAITING = sa.text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def score(client: redis.Redis, slug: str) -> datetime | None:
    found = client.zscore(f"crawler:due:{SYSTEM}", f"evry_91/{slug}")
    return None if found is None else datetime.fromtimestamp(found, UTC)


def state(slug: str) -> DeskState:
    return get(DeskState, f"evry_91/{slug}")


def checked(slug: str, at: datetime, **values: Any) -> None:
    """Let a desk have been checked, and its queue entry be as the writer left it."""
    known = {"last_check_at": at, "status": DeskStatus.ACTIVE, "last_outcome": Outcome.NO_SLOTS}
    change(DeskState, DeskState.id == f"evry_91/{slug}", **known | values)


def waits(
    name: PlanName = PlanName.URGENCE_7J,
    *,
    begins: datetime = NOW,
    lasts: timedelta = timedelta(days=7),
    told: bool = True,
    **target: Any,
) -> None:
    """Have somebody wait, as the API writes it, and, unless `told` is false, tells the planner."""
    user = add_user().id
    add_grant(user, name, starts_at=begins, ends_at=begins + lasts)
    add_alert(user, AlertTarget(**target))
    if told:
        save(DeskChange(desk_id=target.get("desk_id", "evry_91/a"), reason="alert created"))


def test_the_first_look_takes_in_the_candidates_of_the_list_once(plan: Planner, client: redis.Redis) -> None:
    plan.run_once(NOW)
    listed = {each.number: each for each in rows(Candidate)}
    assert (len(listed), {each.state for each in listed.values()}) == (21, {CandidateState.OPEN})
    found = listed["3744"]
    assert (found.platform, found.source, found.host) == (
        "rdvpref", CandidateSource.LIST, "www.rdv-prefecture.interieur.gouv.fr:443",
    )  # fmt: skip
    client.flushall()  # another first look
    plan.run_once(NOW)
    assert len(rows(Candidate)) == 21


@pytest.mark.rule("4.6")
def test_the_first_look_gives_every_desk_a_row_and_a_time_within_its_own_interval(
    plan: Planner, client: redis.Redis
) -> None:
    assert plan.run_once(NOW) == 3
    for slug in "abc":
        assert (state(slug).status, state(slug).wished_seconds) == (DeskStatus.PAUSED, HEARTBEAT)
        assert state(slug).due_queue == SYSTEM
        at = score(client, slug)
        assert at
        assert NOW <= at <= NOW + timedelta(seconds=60)
    assert len({score(client, slug) for slug in "abc"}) == 3


def test_an_alert_for_a_procedure_is_one_for_every_desk_that_serves_it(plan: Planner) -> None:
    waits(PlanName.URGENCE_24H, prefecture_id="evry_91", procedure=Procedure.NATURALISATION)
    waits(PlanName.URGENCE_TOTAL, prefecture_id="evry_91", procedure=Procedure.VISA)
    plan.run_once(NOW)
    assert {state(slug).wished_seconds for slug in "abc"} == {60}


def test_the_queue_learns_which_desks_somebody_entitled_waits_for(plan: Planner, client: redis.Redis) -> None:
    waits(desk_id="evry_91/a")
    waits(begins=NOW + timedelta(days=1), desk_id="evry_91/b")
    plan.run_once(NOW)
    entries = {
        slug: json.loads(client.hget(f"crawler:desks:{SYSTEM}", f"evry_91/{slug}") or "{}") for slug in "abc"
    }
    assert {slug: entry["waits"] for slug, entry in entries.items()} == {"a": True, "b": False, "c": False}


@pytest.mark.rule("4.7")
def test_a_grant_that_begins_or_ends_is_noticed_without_a_word_from_anybody(plan: Planner) -> None:
    waits(begins=NOW + timedelta(seconds=30), lasts=timedelta(minutes=20), told=False, desk_id="evry_91/a")
    plan.run_once(NOW)
    assert state("a").wished_seconds == HEARTBEAT
    plan.run_once(NOW + timedelta(seconds=31))
    assert state("a").wished_seconds == 60
    plan.run_once(NOW + timedelta(seconds=32))
    plan.run_once(NOW + timedelta(minutes=10))
    assert state("a").wished_seconds == 60
    plan.run_once(NOW + timedelta(seconds=30, minutes=20))  # within the hour: not everything is thought over
    assert state("a").wished_seconds == HEARTBEAT


@pytest.mark.rule("3.9")
def test_desks_of_one_host_share_its_budget(
    plan: Planner, desk_files: Callable[..., dict[str, Desk]], client: redis.Redis
) -> None:
    desk_files(budget=6, a=HOST, b=HOST, c="127.77.0.92:8800")
    for slug in "abc":
        waits(PlanName.URGENCE_TOTAL, desk_id=f"evry_91/{slug}")
    plan.run_once(NOW)
    cost = 3  # requests of EZBooking's cheapest visit
    assert state("a").share_seconds == state("b").share_seconds == 2 * cost * 60 / 6
    assert state("c").share_seconds == cost * 60 / 6
    assert state("a").wished_seconds == 30
    seeing = 6  # requests of a visit that sees slots
    assert state("a").feasible_seconds == state("b").feasible_seconds == 2 * seeing * 60 / 6
    assert state("c").feasible_seconds == seeing * 60 / 6


def test_a_desk_is_offered_at_what_it_would_get_and_with_the_slowest_that_may_follow(
    plan: Planner, desk_files: Callable[..., dict[str, Desk]], client: redis.Redis
) -> None:
    desk_files(budget=6, a=HOST, b=HOST, c=HOST)
    waits(PlanName.URGENCE_TOTAL, desk_id="evry_91/a", lasts=timedelta(hours=2))
    plan.run_once(NOW)
    # Six requests a visit: 12 a minute for a, and 6 for b, of which 6 a minute are allowed.
    assert state("b").feasible_seconds == pytest.approx((12 + 6) * 10, rel=0.01)
    assert state("a").slowest_seconds == pytest.approx(3 * 6 * 10, rel=0.01)
    plan.run_once(NOW + timedelta(hours=1))
    assert (state("a").fast_since, state("b").fast_since) == (NOW, None)
    plan.run_once(NOW + timedelta(hours=2))
    assert state("a").fast_since is None


def test_what_is_feasible_holds_while_slots_are_open_and_the_share_goes_by_what_visits_take(
    plan: Planner, desk_files: Callable[..., dict[str, Desk]], client: redis.Redis
) -> None:
    """A desk that shows slots takes more requests a visit: who was promised 30 seconds would wait for 60."""
    desk_files(budget=6, a=HOST)
    waits(PlanName.URGENCE_TOTAL, desk_id="evry_91/a")
    plan.run_once(NOW)
    for lately, seeing, share, feasible in (
        (3, None, 30, 60),
        (4, 5, 40, 50),
        (5.5, 5, 55, 55),
        (9, 9, 90, 90),
    ):
        checked("a", NOW, visit_requests=lately, open_requests=seeing)
        Planner(plan._client).run_once(NOW + timedelta(seconds=1))
        assert (state("a").share_seconds, state("a").feasible_seconds) == (share, feasible)


@pytest.mark.rule("4.2")
def test_a_share_of_the_budget_counts_what_visits_lately_took_and_a_claim_waits_for_it(
    plan: Planner, desk_files: Callable[..., dict[str, Desk]], client: redis.Redis
) -> None:
    desk_files(budget=6, a=HOST, b=HOST, c="127.77.0.92:8800")
    waits(PlanName.URGENCE_TOTAL, desk_id="evry_91/a")
    waits(PlanName.URGENCE_TOTAL, desk_id="evry_91/b")
    plan.run_once(NOW)
    checked("a", NOW, visit_requests=6)
    checked("b", NOW, visit_requests=1)  # cut short: the cheapest visit takes 3 all the same
    Planner(plan._client).run_once(NOW + timedelta(seconds=1))
    assert state("a").share_seconds == state("b").share_seconds == pytest.approx((6 + 3) * 60 / 6)
    needs = [
        json.loads(client.hget(f"crawler:desks:{SYSTEM}", f"evry_91/{slug}") or "{}")["need"] for slug in "ab"
    ]
    assert needs == [6, 3]


@pytest.mark.parametrize("grade", ["stale", "retired"])
def test_a_desk_that_is_not_scheduled_leaves_the_queue_and_says_why(
    grade: str, plan: Planner, desk_files: Callable[..., dict[str, Desk]], client: redis.Redis
) -> None:
    plan.run_once(NOW)
    desk_files(grade=grade, a="127.77.0.91:8800")
    assert Planner(client).run_once(NOW) == 0
    assert queued_desks(client, SYSTEM) == set()
    assert (state("a").status, state("a").due_queue) == (DeskStatus.PAUSED, None)
    assert state("a").status_reason in (
        "its address is very old, or known to be dead",
        "it does not exist any more",
    )


def test_a_desk_that_is_not_scheduled_any_more_is_in_no_outage(
    plan: Planner, desk_files: Callable[..., dict[str, Desk]], client: redis.Redis
) -> None:
    plan.run_once(NOW)
    save_all(Outage(desk_id=f"evry_91/{slug}", starts_at=NOW, reason=OutageReason.CLOSED) for slug in "ac")
    desk_files(a="127.77.0.91:8800")
    Planner(client).run_once(NOW + timedelta(seconds=1))
    assert {row.desk_id: row.ends_at for row in rows(Outage)} == {
        "evry_91/a": None,
        "evry_91/c": NOW + timedelta(seconds=1),
    }


def test_one_more_who_waits_does_not_hurry_a_desk_that_rests(plan: Planner, client: redis.Redis) -> None:
    plan.run_once(NOW)
    checked(
        "a",
        NOW - timedelta(minutes=5),
        status=DeskStatus.CAPTCHA,
        last_outcome=Outcome.CAPTCHA,
        inconclusive=1,
    )
    until = NOW + timedelta(minutes=10)
    client.zadd(f"crawler:due:{SYSTEM}", {"evry_91/a": until.timestamp()})
    waits(PlanName.URGENCE_TOTAL, desk_id="evry_91/a")
    plan.run_once(NOW + timedelta(seconds=1))
    assert score(client, "a") == until


def test_an_emptied_redis_is_filled_again_with_tokens_times_and_rests(
    plan: Planner, client: redis.Redis
) -> None:
    waits(PlanName.URGENCE_7J, desk_id="evry_91/a")
    plan.run_once(NOW)
    checked("a", NOW, last_token=41)
    checked("b", NOW - timedelta(days=1), last_token=7)
    until = NOW + timedelta(seconds=300)
    save(HostState(host="127.77.0.92:8800", rests_until=until, rest_reason="refused"))
    save(HostState(host="127.77.0.91:8800", rests_until=NOW, rest_reason="over"))
    client.flushdb()
    later = NOW + timedelta(seconds=5)
    assert plan.run_once(later) == 3
    assert queued_desks(client, SYSTEM) == {"evry_91/a", "evry_91/b", "evry_91/c"}
    assert score(client, "a") == NOW + timedelta(seconds=60)
    b = score(client, "b")
    assert b
    hold = timedelta(seconds=CrawlQueue("prefenligne").hold_seconds)  # it may be being checked at this moment
    assert later + hold <= b <= later + hold + timedelta(seconds=60)
    claims = take(client, NOW + timedelta(seconds=299), system=SYSTEM).claims
    tokens = {claim.desk_id: claim.token for claim in claims}
    assert all(token > 41 for token in tokens.values())
    assert len(tokens) == 1  # a and b share a host, c's rests


@pytest.mark.rule("3.9")
def test_no_desk_is_due_in_an_emptied_redis_before_its_host_rests_again(
    plan: Planner, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan.run_once(NOW)
    until = NOW + timedelta(seconds=300)
    save(HostState(host="127.77.0.92:8800", rests_until=until, rest_reason="refused"))
    client.flushdb()
    order: list[str] = []
    send = due_queue.send

    def noted(to: redis.Redis, call: due_queue.Call[Any]) -> Any:
        order.append(call.script)
        return send(to, call)

    monkeypatch.setattr(due_queue, "send", noted)
    plan.run_once(NOW + timedelta(seconds=5))
    assert order.index(due_queue.REST) < order.index(due_queue.SCHEDULE)


def test_everything_is_thought_over_each_hour(plan: Planner) -> None:
    plan.run_once(NOW)
    change(DeskState, wished_seconds=1)
    assert plan.run_once(NOW + timedelta(minutes=59)) == 0
    assert plan.run_once(NOW + timedelta(hours=1)) == 3
    assert state("a").wished_seconds == HEARTBEAT


def test_two_planners_do_no_harm(plan: Planner, client: redis.Redis) -> None:
    with ThreadPoolExecutor() as pool:
        with engine().connect() as other, other.begin():
            other.execute(sa.select(sa.func.pg_advisory_xact_lock(planner._LOCK)))
            second = pool.submit(plan.run_once, NOW)
            until(lambda: other.scalar(_WAITING) == 1)
            assert queued_desks(client, SYSTEM) == set()
        assert second.result() == 3


def test_what_redis_did_not_hear_is_planned_again(
    plan: Planner, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan.run_once(NOW)
    waits(PlanName.URGENCE_TOTAL, desk_id="evry_91/a")
    through = due_queue.send

    def away(*_: object) -> None:
        raise redis.ConnectionError("connection refused")

    monkeypatch.setattr(due_queue, "send", away)
    assert plan.run_once(NOW + timedelta(seconds=1)) == 0
    assert plan.failures.names() == {"planning": "ConnectionError"}
    assert state("a").wished_seconds == HEARTBEAT
    monkeypatch.setattr(due_queue, "send", through)
    plan.run_once(NOW + timedelta(seconds=2))
    assert state("a").wished_seconds == 30


# Causes of planning: which rows reach the due queue, and how soon.


SOON = 5.0  # seconds
DESK = "evry_91/a"


@pytest.fixture
def settled(plan: Planner, client: redis.Redis) -> Planner:
    """A planner that looked at NOW; all desks were checked then and are due at the heartbeat."""
    plan.run_once(NOW)
    change(DeskState, last_check_at=NOW, last_outcome=Outcome.NO_SLOTS, status=DeskStatus.ACTIVE)
    for slug in "abc":
        client.zadd(
            f"crawler:due:{SYSTEM}", {f"evry_91/{slug}": (NOW + timedelta(seconds=HEARTBEAT)).timestamp()}
        )
    return plan


def alert(*, entitled: bool = True, enabled: bool = True) -> UUID:
    """Let somebody make an alert for the desk; return its id."""
    user = add_user().id
    if entitled:
        add_grant(user, PlanName.URGENCE_7J, starts_at=NOW, ends_at=NOW + timedelta(days=7))
    made = add_alert(user, AlertTarget(desk_id=DESK))
    switch(made, enabled=enabled)
    return made


def switch(alert_id: UUID, *, enabled: bool) -> None:
    with session() as s:
        found = s.get_one(Alert, alert_id)
        found.enabled = enabled
        alert_service.record_desk_changes(s, found, "alert toggled")


def wished() -> float | None:
    return get(DeskState, DESK).wished_seconds


def ahead(client: redis.Redis, of: datetime) -> float:
    score = client.zscore(f"crawler:due:{SYSTEM}", DESK)
    assert score
    return score - of.timestamp()


def soon(plan: Planner, at: datetime) -> datetime:
    """Let the planner look as often as it does within five seconds, and return when it looked last."""
    for second in range(1, int(SOON) + 1):
        plan.run_once(at + timedelta(seconds=second))
    return at + timedelta(seconds=SOON)


LATER = NOW + timedelta(minutes=30)


@pytest.mark.rule("4.7")
def test_an_alert_counts_while_it_is_switched_on_and_not_closed(
    settled: Planner, client: redis.Redis
) -> None:
    made = alert(enabled=False)
    soon(settled, LATER)
    assert (wished(), ahead(client, NOW)) == (HEARTBEAT, HEARTBEAT)
    switch(made, enabled=True)
    soon(settled, LATER)
    assert (wished(), ahead(client, LATER) <= SOON) == (60, True)
    switch(made, enabled=False)
    soon(settled, LATER)
    assert wished() == HEARTBEAT
    made = alert()
    soon(settled, LATER)
    assert wished() == 60
    with session() as s:
        alert_service.close_alert(s, s.get_one(Alert, made), ClosedBecause.DELETED)
    soon(settled, LATER)
    assert wished() == HEARTBEAT


@pytest.mark.rule("4.7")
def test_a_grant_that_is_given_makes_the_desk_due(settled: Planner, client: redis.Redis) -> None:
    user = get(Alert, alert(entitled=False)).user_id
    soon(settled, LATER)
    assert wished() == HEARTBEAT
    with time_machine.travel(LATER, tick=False), session() as s:
        give_plan(s, s.get_one(User, user), PlanName.URGENCE_TOTAL, timedelta(minutes=20), "test")
    soon(settled, LATER)
    assert (wished(), ahead(client, LATER) <= SOON) == (30, True)
    soon(settled, LATER + timedelta(minutes=20))
    assert wished() == HEARTBEAT


@pytest.mark.rule("4.7")
def test_a_check_that_somebody_asks_for_is_due_at_once(settled: Planner, client: redis.Redis) -> None:
    change(DeskState, DeskState.id == DESK, check_requested_at=LATER)
    soon(settled, LATER)
    assert ahead(client, LATER) <= SOON


def test_what_redis_lost_in_part_is_planned_anew(settled: Planner, client: redis.Redis) -> None:
    client.zrem(f"crawler:due:{SYSTEM}", DESK)
    settled.run_once(LATER)
    assert queued_desks(client, SYSTEM) == {f"evry_91/{slug}" for slug in "abc"}
