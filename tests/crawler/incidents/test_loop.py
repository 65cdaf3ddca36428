"""Incident notices: recipients, times and repetitions, as the table of outcomes says."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from api.models.alert import Alert
from api.models.base import session
from api.models.desk import OutageReason
from api.models.user import Channel, Role
from configs.world.outcome import Outcome
from crawler.bounds import REFUSED, bound_reading
from crawler.incidents import loop, notices
from crawler.reading import ANYWHERE, Reading, Slot, VisitContext
from tests.crawler.incidents.incidents_world import (
    HOUR,
    MINUTE,
    NOW,
    checked,
    deliver,
    host_of,
    incidents,
    notifications,
    out,
    person,
    told,
    waits,
    watched,
)
from tests.factories import change
from tests.waiting import until

_WAITING = sa.text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
A, B = {"desk_id": "evry_91/a"}, {"desk_id": "evry_91/b"}

pytestmark = pytest.mark.usefixtures("three_desks")


def at_once(*reasons: OutageReason) -> list[Any]:
    return [pytest.param(reason, id=reason.value) for reason in reasons]


# Operators


@pytest.mark.rule("3.8")
@pytest.mark.parametrize(
    "reason",
    at_once(
        OutageReason.CAPTCHA,
        OutageReason.BLOCKED,
        OutageReason.CLOSED,
        OutageReason.UNREACHABLE,
        OutageReason.UNREADABLE,
    ),
)
def test_operators_are_told_at_once_and_once(reason: OutageReason) -> None:
    operators = {person(Role.ADMIN), person(Role.SUPPORT)}
    person()
    out("a", reason, NOW)
    first = told(NOW)
    assert {each.user_id for each in first} == operators
    assert {(each.kind, each.params["reason"]) for each in first} == {("desk_trouble", reason.value)}
    assert incidents()[0].told_at == NOW
    assert [told(NOW + minutes * MINUTE) for minutes in (1, 30, 600)] == [[], [], []]


def test_overload_is_told_when_half_an_hour_of_checks_proved_nothing() -> None:
    person(Role.ADMIN)
    busy, slow, fine = Outcome.OVERLOADED, Outcome.UNREACHABLE, Outcome.NO_SLOTS
    checked(
        "a",
        (busy, NOW - 50 * MINUTE),
        (fine, NOW - 40 * MINUTE),
        (busy, NOW - 29 * MINUTE),
        (slow, NOW - MINUTE),
    )
    checked("a", (busy, NOW))
    assert told(NOW) == []
    checked("a", (busy, NOW + MINUTE))
    (row,) = told(NOW + MINUTE)
    assert (row.params["reason"], row.params["since"]) == ("overloaded", (NOW - 29 * MINUTE).isoformat())
    checked("a", (fine, NOW + 2 * MINUTE), (busy, NOW + 3 * MINUTE))
    assert told(NOW + 3 * MINUTE) == []


@pytest.mark.rule("4.8")
def test_a_page_that_is_not_understood_is_told_at_the_second_in_a_row() -> None:
    person(Role.ADMIN)
    odd, slow = Outcome.UNREADABLE, Outcome.UNREACHABLE
    checked("a", (odd, NOW - 3 * MINUTE), (slow, NOW - 2 * MINUTE), (odd, NOW - MINUTE))
    assert told(NOW) == []
    checked("a", (odd, NOW))
    assert [each.params["reason"] for each in told(NOW)] == ["unreadable"]
    out("a", OutageReason.UNREADABLE, NOW + 3 * MINUTE)  # the pause, at the fifth, is the same trouble
    assert told(NOW + 4 * MINUTE) == []


@pytest.mark.rule("3.1")
def test_a_check_that_the_database_refused_is_told_at_once() -> None:
    person(Role.ADMIN)
    checked("a", (Outcome.UNREADABLE, NOW), evidence=REFUSED)
    assert [each.params["reason"] for each in told(NOW)] == ["unreadable"]


@pytest.mark.parametrize("outcome", [Outcome.SLOTS, Outcome.UNREADABLE])
def test_moments_beyond_the_horizon_are_told_at_once_until_a_check_sees_none(outcome: Outcome) -> None:
    person(Role.ADMIN)
    slot = Slot(ANYWHERE, date(2027, 11, 24))
    reading = bound_reading(Reading(Outcome.SLOTS, "", (slot,)), VisitContext("", NOW.date()))
    checked("a", (outcome, NOW), evidence=reading.reason)
    (row,) = told(NOW)
    assert (row.params["reason"], row.params["desks"]) == ("horizon", ["evry_91/a"])
    assert told(NOW + MINUTE) == []
    checked("a", (Outcome.NO_SLOTS, NOW + 2 * MINUTE))
    assert told(NOW + 10 * HOUR) == []
    assert [each.ends_at for each in incidents()] == [NOW + MINUTE]


def test_a_site_in_trouble_is_told_once_for_all_its_desks() -> None:
    person(Role.ADMIN)
    for slug, at in (("a", NOW), ("b", NOW + MINUTE), ("c", NOW + MINUTE)):
        out(slug, OutageReason.BLOCKED, at)
    rows = told(NOW + MINUTE)
    assert {each.params["subject"]: each.params["desks"] for each in rows} == {
        host_of("a"): ["evry_91/a", "evry_91/b"],
        host_of("c"): ["evry_91/c"],
    }
    assert {each.params["since"] for each in rows} == {NOW.isoformat(), (NOW + MINUTE).isoformat()}


def test_what_comes_back_within_ten_minutes_is_the_same_trouble_and_later_a_new_one() -> None:
    person(Role.ADMIN)
    out("a", OutageReason.BLOCKED, NOW)
    assert len(told(NOW)) == 1
    watched("a", NOW + MINUTE)
    out("a", OutageReason.BLOCKED, NOW + 9 * MINUTE)
    assert told(NOW + 9 * MINUTE) == []
    watched("a", NOW + 10 * MINUTE)
    assert told(NOW + 20 * MINUTE) == []
    out("a", OutageReason.BLOCKED, NOW + 30 * MINUTE)
    assert len(told(NOW + 30 * MINUTE)) == 1
    first, second = incidents()
    assert (first.ends_at, second.ends_at) == (NOW + 9 * MINUTE, None)


@pytest.mark.parametrize("reason", at_once(OutageReason.MAINTENANCE, OutageReason.STOPPED))
def test_operators_are_not_told_of_maintenance_nor_of_what_they_stopped(reason: OutageReason) -> None:
    person(Role.ADMIN)
    out("a", reason, NOW - 2 * HOUR)
    assert told(NOW) == []


# Subscribers


def test_subscribers_are_told_of_maintenance_when_it_has_lasted_an_hour_once() -> None:
    waiting = person()
    waits(waiting, A)
    out("a", OutageReason.MAINTENANCE, NOW)
    assert told(NOW + 59 * MINUTE) == []
    (row,) = told(NOW + HOUR)
    assert (row.user_id, row.kind, row.params["desks"]) == (waiting, "desk_unwatched", ["evry_91/a"])
    assert told(NOW + 2 * HOUR) == []


def test_subscribers_are_told_at_once_that_a_page_was_closed() -> None:
    waits(person(), A)
    out("a", OutageReason.CLOSED, NOW)
    assert [(each.kind, each.params["reason"]) for each in told(NOW)] == [("desk_unwatched", "closed")]


@pytest.mark.parametrize(
    "reason",
    at_once(OutageReason.CAPTCHA, OutageReason.BLOCKED, OutageReason.UNREACHABLE, OutageReason.STOPPED),
)
def test_subscribers_are_told_of_nothing_else(reason: OutageReason) -> None:
    waits(person(), A)
    out("a", reason, NOW - 5 * HOUR)
    assert told(NOW) == []


def test_only_who_is_entitled_and_waits_for_the_desk_is_told() -> None:
    by_desk, by_procedure = person(), person()
    waits(by_desk, A)
    waits(by_procedure, {"prefecture_id": "evry_91", "procedure": "NATURALISATION"})
    waits(person(), B)
    waits(person(), {"prefecture_id": "evry_91", "procedure": "VISA"})
    waits(person(), A, ends=NOW)
    person()
    stopped = waits(person(), A)
    change(Alert, Alert.id == stopped, enabled=False)
    out("a", OutageReason.CLOSED, NOW)
    assert {each.user_id for each in told(NOW)} == {by_desk, by_procedure}


def test_who_cannot_be_reached_by_mail_or_telegram_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "AT_ONCE", 1)
    for contact in ({"enabled": False}, {"verified_at": None}):
        waits(person(Role.USER, Channel.EMAIL, **contact), A)
    waits(person(Role.USER, Channel.SMS), A)
    reached = person(Role.USER, Channel.SMS, Channel.TELEGRAM)
    waits(reached, A)
    out("a", OutageReason.CLOSED, NOW)
    assert [(each.user_id, each.channel) for each in told(NOW)] == [(reached, Channel.TELEGRAM)]


def test_who_was_told_is_told_that_it_is_watched_again() -> None:
    waiting = person()
    waits(waiting, A)
    out("a", OutageReason.MAINTENANCE, NOW - HOUR)
    assert len(told(NOW)) == 1
    deliver()
    watched("a", NOW + MINUTE)
    waits(person(), A)  # was not told, and is not told that it is over
    assert told(NOW + 5 * MINUTE) == []  # it may come back yet
    (row,) = told(NOW + 20 * MINUTE)
    assert (row.kind, row.user_id, row.params["desks"]) == ("desk_watched", waiting, ["evry_91/a"])
    assert told(NOW + 21 * MINUTE) == []
    assert incidents()[0].over_at is not None


def test_a_desk_that_only_changed_its_trouble_is_not_called_watched() -> None:
    waits(person(), A)
    out("a", OutageReason.MAINTENANCE, NOW - HOUR)
    assert len(told(NOW)) == 1
    watched("a", NOW + MINUTE)
    out("a", OutageReason.BLOCKED, NOW + MINUTE)
    assert told(NOW + 30 * MINUTE) == []
    watched("a", NOW + 40 * MINUTE)
    assert [each.kind for each in told(NOW + 41 * MINUTE)] == ["desk_watched"]


# What must hold for both


def test_a_crash_before_the_commit_loses_nothing_and_repeats_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    person(Role.ADMIN)
    waits(person(), A)
    out("a", OutageReason.CLOSED, NOW)
    with monkeypatch.context() as patch:
        patch.setattr(notices, "write_recovery_notices", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            loop.run_once(NOW)
    assert (notifications(), incidents()) == ([], [])
    assert len(told(NOW)) == 2
    assert told(NOW) == []


def test_one_teller_looks_at_a_time() -> None:
    person(Role.ADMIN)
    out("a", OutageReason.BLOCKED, NOW)
    with ThreadPoolExecutor() as pool:
        with session() as s:
            s.execute(sa.select(sa.func.pg_advisory_xact_lock(loop._LOCK)))
            second = pool.submit(loop.run_once, NOW)
            until(lambda: s.scalar(_WAITING) == 1)
            assert notifications() == []
        assert second.result() == 1
