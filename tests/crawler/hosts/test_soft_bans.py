"""When neither a desk nor its canary can be read: the second time in a row the host is at fault, and rests."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from api.models.base import session
from api.models.check import Check
from api.models.desk import DeskState, DeskStatus, HostState, Outage
from api.models.incident import IncidentReason
from api.models.user import Role
from configs.desk import Desk
from configs.outcome import Outcome
from crawler.hosts.canary import Canary
from crawler.hosts.memory import SOFT_BAN
from crawler.hosts.soft_bans import soft_ban
from crawler.recording import record
from crawler.recording.rows import Result
from crawler.telling import incidents
from tests.crawler.checks import HOST, NOW, check
from tests.crawler.telling.incidents_world import person, told

MINUTE = timedelta(minutes=1)
ODD = Canary(Outcome.UNREADABLE, "an odd page")
GONE = Canary(Outcome.UNREACHABLE, "no answer")
FINE = Canary(None, "it leads on")


@pytest.fixture(autouse=True)
def desks(planned_desks: Callable[..., dict[str, Desk]]) -> dict[str, Desk]:
    """Two desks on one host, one on another."""
    return planned_desks(a=HOST, b=HOST, d="127.77.0.92:8800")


def end(minute: float, desk: str, outcome: Outcome, canary: Canary | None = None) -> tuple[Outcome, str]:
    """Let a check end; return how it was kept."""
    at = NOW + minute * MINUTE
    item = check(desk, 1, outcome=outcome, started_at=at, reason="said so", canary=canary)
    with time_machine.travel(at, tick=False):
        record.record([Result(item, int(60 * minute) + 1, at)])
    with session() as rows:
        kept = sa.select(Check.outcome, Check.evidence).where(Check.desk_id == f"evry_91/{desk}")
        outcome, evidence = rows.execute(kept.order_by(Check.id.desc())).first() or (Outcome.CLOSED, "")
    return outcome, evidence


def rest() -> HostState | None:
    with session() as rows:
        return rows.scalar(sa.select(HostState))


def state(desk: str) -> DeskState:
    with session() as rows:
        return rows.get_one(DeskState, f"evry_91/{desk}")


def test_the_second_in_a_row_that_both_cannot_be_read_rests_the_host() -> None:
    assert end(0, "a", Outcome.UNREADABLE, ODD) == (
        Outcome.UNREADABLE,
        "said so; its canary cannot be read either: an odd page",
    )
    assert rest() is None
    assert end(1, "a", Outcome.UNREADABLE, ODD) == (
        Outcome.BLOCKED,
        "soft ban: said so; its canary cannot be read either: an odd page",
    )
    host = rest()
    assert host
    assert (host.host, host.rest_reason, host.rests_until) == (HOST, SOFT_BAN, host.rests_until)
    assert host.rests_until
    assert host.rests_until >= NOW + 6 * MINUTE
    for desk in ("a", "b"):
        if desk == "a":
            assert state(desk).status_reason == SOFT_BAN
        assert state(desk).status is DeskStatus.PAUSED
    with session() as rows:
        assert set(rows.scalars(sa.select(Outage.desk_id).where(Outage.ends_at.is_(None)))) == {
            "evry_91/a",
            "evry_91/b",
        }
        (found,) = incidents.current(rows, NOW + 2 * MINUTE)
    assert (found.subject, found.reason) == (HOST, IncidentReason.BLOCKED)


@pytest.mark.usefixtures("redis_server")
def test_operators_are_told_what_it_is_and_once_for_the_host() -> None:
    person(Role.ADMIN)
    end(0, "a", Outcome.UNREADABLE, ODD)
    end(1, "a", Outcome.UNREADABLE, ODD)
    (row,) = told(NOW + 2 * MINUTE)
    assert (row.params["subject"], row.params["reason"], row.params["soft"]) == (HOST, "blocked", True)
    assert row.params["count"] == 2
    assert told(NOW + 3 * MINUTE) == []


def test_a_canary_that_answers_leaves_the_desk_alone_at_fault() -> None:
    kept = [end(minute, "a", Outcome.UNREADABLE, FINE) for minute in range(6)]
    assert set(kept) == {(Outcome.UNREADABLE, "said so; its canary answers: it leads on")}
    assert rest() is None
    assert (state("a").status, state("a").inconclusive) == (DeskStatus.ERROR, 6)
    assert state("b").status is DeskStatus.PAUSED  # not checked yet


def test_an_answer_in_between_begins_anew() -> None:
    for minute, outcome in enumerate([Outcome.UNREADABLE, Outcome.NO_SLOTS, Outcome.UNREADABLE]):
        end(minute, "a", outcome, ODD if outcome is Outcome.UNREADABLE else None)
    assert rest() is None


def test_silence_all_around_may_be_our_own_line() -> None:
    for minute in range(4):
        assert end(minute, "a", Outcome.UNREACHABLE, GONE)[0] is Outcome.UNREACHABLE
    end(5, "d", Outcome.NO_SLOTS)
    assert end(14, "a", Outcome.UNREACHABLE, GONE)[0] is Outcome.BLOCKED


def test_another_host_that_answered_long_ago_says_nothing() -> None:
    end(0, "d", Outcome.NO_SLOTS)
    assert end(20, "a", Outcome.UNREACHABLE, GONE)[0] is Outcome.UNREACHABLE
    assert end(21, "a", Outcome.UNREACHABLE, GONE)[0] is Outcome.UNREACHABLE


@given(st.booleans(), st.integers(1, 9), st.booleans(), st.booleans())
def test_nothing_but_silence_twice_is_a_soft_ban(silent: bool, row: int, gone: bool, others: bool) -> None:
    found = soft_ban(silent=silent, in_a_row=row, unreachable=gone, others_answer=others)
    assert found <= silent
    assert found <= (row >= 2)
    assert found or not (silent and row >= 2 and (others or not gone))
