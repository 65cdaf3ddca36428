"""Incident notices: recipients, times and repetitions, as the table of outcomes says."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
import yaml

from api.models.alert import Alert
from api.models.base import session
from api.models.desk import DeskState, HostState, OutageReason
from api.models.discovery import DriftReason
from api.models.user import Channel, Role
from configs.world.desk import Outcome
from configs.world.prefecture import reload_desk_files
from crawler.bounds import REFUSED, bound_reading
from crawler.incidents import loop, moved_pages, outage_notices
from crawler.reading import ANYWHERE, Reading, Slot, VisitContext
from tests.crawler.incidents.incidents_world import (
    HOUR,
    MINUTE,
    NOW,
    checked,
    deliver,
    desk,
    host_of,
    incidents,
    notifications,
    out,
    person,
    told,
    waits,
    watched,
)
from tests.factories import change, get, save
from tests.waiting import until

_WAITING = sa.text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
A, B = {"desk_id": "evry_91/a"}, {"desk_id": "evry_91/b"}

pytestmark = pytest.mark.usefixtures("three_desks")


# Recipients of an outage's notice by its kind: at once, or when it has lasted for some time.
OPERATORS, SUBSCRIBERS = "desk_trouble", "desk_unwatched"
LATER = {
    OutageReason.RATE_LIMITED: {OPERATORS},
    OutageReason.MAINTENANCE: {SUBSCRIBERS},
    OutageReason.STOPPED: set[str](),
}
AT_ONCE = {reason: {OPERATORS} for reason in OutageReason if reason not in LATER}
AT_ONCE[OutageReason.CLOSED] = {OPERATORS, SUBSCRIBERS}


@pytest.mark.rule("3.8")
@pytest.mark.parametrize("reason", OutageReason)
def test_an_outage_is_told_to_whom_it_concerns_in_its_time_and_once(reason: OutageReason) -> None:
    waiting = person()
    people = {OPERATORS: {person(Role.ADMIN), person(Role.SUPPORT)}, SUBSCRIBERS: {waiting}}
    waits(waiting, A)
    person()
    out("a", reason, NOW)
    for kinds, at in ((AT_ONCE.get(reason, set()), NOW), (LATER.get(reason, set()), NOW + 10 * HOUR)):
        found = told(at)
        assert {(each.kind, each.params["reason"]) for each in found} == {
            (kind, reason.value) for kind in kinds
        }
        assert {each.user_id for each in found} == {who for kind in kinds for who in people[kind]}
        assert told(at + MINUTE) == []


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


# Subscribers


def test_subscribers_are_told_of_maintenance_when_it_has_lasted_an_hour_once() -> None:
    waiting = person()
    waits(waiting, A)
    out("a", OutageReason.MAINTENANCE, NOW)
    assert told(NOW + 59 * MINUTE) == []
    (row,) = told(NOW + HOUR)
    assert (row.user_id, row.kind, row.params["desks"]) == (waiting, "desk_unwatched", ["evry_91/a"])
    assert told(NOW + 2 * HOUR) == []


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
    monkeypatch.setattr(outage_notices, "AT_ONCE", 1)
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
        patch.setattr(outage_notices, "write_recovery_notices", lambda *_: 1 / 0)
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


# Desks that became watchable: once each, after a check looked for slots.


BY_PROCEDURE = {"prefecture_id": "evry_91", "procedure": "NATURALISATION"}


def keeps(*targets: dict[str, str]) -> UUID:
    """Let somebody keep an alert until it can be watched; return it."""
    alert = waits(person(), *targets)
    change(Alert, Alert.id == alert, enabled=False, awaits_watch=True)
    return alert


def still_kept(alert: UUID) -> bool:
    return get(Alert, alert).awaits_watch


@pytest.mark.parametrize("target", [A, BY_PROCEDURE], ids=["desk", "procedure"])
def test_it_is_told_once_when_slots_were_looked_for(target: dict[str, str]) -> None:
    alert = keeps(target)
    desk("a")
    assert told(NOW) == []
    checked("a", (Outcome.NO_SLOTS, NOW))
    (row,) = told(NOW)
    assert (row.kind, row.params) == ("desk_watchable", {"alert": str(alert), "desks": ["evry_91/a"]})
    assert not still_kept(alert)
    assert told(NOW + HOUR) == []


def test_an_alert_that_waits_for_something_else_since_is_told_again() -> None:
    alert = keeps(A)
    checked("a", (Outcome.NO_SLOTS, NOW))
    assert len(told(NOW)) == 1
    change(Alert, Alert.id == alert, awaits_watch=True, limits_version=2)
    assert [row.kind for row in told(NOW + HOUR)] == ["desk_watchable"]


@pytest.mark.parametrize(
    "outcomes",
    [[Outcome.CAPTCHA], [Outcome.CLOSED], [Outcome.UNREADABLE], [Outcome.NO_SLOTS, Outcome.CLOSED]],
)
def test_what_proves_nothing_or_is_closed_since_is_not_told(outcomes: list[Outcome]) -> None:
    alert = keeps(A)
    checked("a", *zip(outcomes, [NOW - HOUR, NOW][-len(outcomes) :], strict=True))
    assert "desk_watchable" not in {each.kind for each in told(NOW)}
    assert still_kept(alert)


def test_a_desk_whose_page_has_moved_is_not_watchable_until_it_is_found() -> None:
    alert = keeps(A)
    checked("a", (Outcome.NO_SLOTS, NOW))
    with session() as rows:
        moved_pages.open_drifts(rows, [(A["desk_id"], DriftReason.UNLINKED, "no longer linked")], NOW)
    assert told(NOW) == []
    assert still_kept(alert)
    with session() as rows:
        moved_pages.end_drifts(rows, [A["desk_id"]], NOW)
    checked("a", (Outcome.NO_SLOTS, NOW))
    assert [row.kind for row in told(NOW + HOUR)] == ["desk_watchable"]


def test_a_department_is_told_when_its_round_is_short_enough(
    tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    file = tmp_path / "prefectures" / "evry_91.yaml"
    entry = yaml.safe_load(file.read_text())
    department = {"slug": "mairies", "platform": "citopia", "url": "http://127.77.3.3:8800/"}
    parameters = {"department_code": "91", "reason": "both"}
    entry["desks"].append(entry["desks"][0] | department | {"parameters": parameters})
    file.write_text(yaml.safe_dump(entry))
    settings_env(PREFECTURES_DIR=file.parent)
    reload_desk_files()
    keeps({"desk_id": "evry_91/mairies"})
    checked("mairies", (Outcome.NO_SLOTS, NOW))
    for seconds, kinds in ((None, []), (901, []), (900, ["desk_watchable"])):
        change(DeskState, DeskState.id == "evry_91/mairies", feasible_seconds=seconds)
        assert [each.kind for each in told(NOW)] == kinds


# Desks that people watch: waiting alerts are asked once; free ones wait again when checks see the desk.


@pytest.fixture
def people_at_a(
    three_desks: object, tmp_path: Path, settings_env: Callable[..., None]
) -> Callable[[str], None]:
    """Set the watch level of desk a."""
    file = tmp_path / "prefectures" / "evry_91.yaml"
    entry = yaml.safe_load(file.read_text())

    def write(level: str) -> None:
        entry["desks"][0] |= {"watch": level}
        file.write_text(yaml.safe_dump(entry))
        settings_env(PREFECTURES_DIR=file.parent)
        reload_desk_files()

    write("people")
    return write


@pytest.mark.usefixtures("people_at_a")
def test_who_waits_is_asked_once_about_reports_and_not_enrolled() -> None:
    alert = keeps(A)
    desk("a")
    assert [row.kind for row in told(NOW)] == ["desk_reported"]
    assert still_kept(alert)
    assert told(NOW + HOUR) == []


@pytest.mark.usefixtures("people_at_a")
def test_nobody_is_asked_where_the_host_was_stopped() -> None:
    keeps(A)
    desk("a")
    save(HostState(host="127.77.0.91:8800", stopped_at=NOW, stop_reason="asked to", updated_at=NOW))
    assert told(NOW) == []


@pytest.mark.parametrize("has_plan", [False, True])
def test_a_free_alert_of_a_desk_that_checks_see_now_is_told_once_and_waits_or_goes_on_by_the_plan(
    people_at_a: Callable[[str], None], has_plan: bool
) -> None:
    alert = waits(person(), A, ends=NOW + HOUR if has_plan else NOW - HOUR)
    change(Alert, Alert.id == alert, is_free=True)
    desk("a")
    assert told(NOW) == []
    people_at_a("full")
    checked("a", (Outcome.NO_SLOTS, NOW))
    assert [row.kind for row in told(NOW)] == ([] if has_plan else ["desk_watchable"])
    assert told(NOW + MINUTE) == []
    assert (get(Alert, alert).enabled, get(Alert, alert).is_free) == (has_plan, False)
