"""DESIGN.md section 4, "What an outcome does", row by row: what it proves, what it counts, what rests, the status."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
import time_machine

from api.models.desk import DeskState, DeskStatus, HostState
from configs.world.desk import Desk
from configs.world.outcome import Outcome
from crawler.scheduling.due_queue import VisitEnd
from tests.crawler.checks import HOST, NOW, recorded, slot
from tests.factories import add_desk, get, rows

INTERVAL = 60
MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass(frozen=True)
class Row:
    """One row of the table. `wait`: seconds to the next check; `later`: the same when it happened twice in a row."""

    outcome: Outcome
    proves: bool
    counts: bool
    wait: float
    later: float
    host: float | None
    status: DeskStatus


ACTIVE, PAUSED, ERROR, CAPTCHA = DeskStatus.ACTIVE, DeskStatus.PAUSED, DeskStatus.ERROR, DeskStatus.CAPTCHA
YES, NO = True, False
TABLE = [
    Row(Outcome.SLOTS, YES, NO, INTERVAL, INTERVAL, None, ACTIVE),
    Row(Outcome.NO_SLOTS, YES, NO, INTERVAL, INTERVAL, None, ACTIVE),
    Row(Outcome.CAPTCHA, NO, YES, 15 * MINUTE, 15 * MINUTE, None, CAPTCHA),
    Row(Outcome.BLOCKED, NO, YES, 5 * MINUTE, 10 * MINUTE, 5 * MINUTE, PAUSED),
    Row(Outcome.RATE_LIMITED, NO, NO, MINUTE, 2 * MINUTE, MINUTE, ACTIVE),
    Row(Outcome.OVERLOADED, NO, NO, 2 * INTERVAL, 2 * INTERVAL, None, ACTIVE),
    Row(Outcome.MAINTENANCE, NO, NO, 5 * MINUTE, 5 * MINUTE, None, PAUSED),
    Row(Outcome.CLOSED, NO, NO, DAY, DAY, None, ERROR),
    Row(Outcome.UNREACHABLE, NO, YES, 1.5 * INTERVAL, 1.5 * INTERVAL, None, ACTIVE),
    Row(Outcome.UNREADABLE, NO, YES, INTERVAL, 2 * INTERVAL, None, ACTIVE),
]
each_row = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.outcome)


@pytest.fixture(autouse=True)
def desk(database: str, desk_files: Callable[..., dict[str, Desk]], frozen: time_machine.Traveller) -> None:
    """A desk that was watched well a minute ago, at an interval of a minute."""
    desk_files(a=HOST, b="127.77.0.92:8800")
    add_desk("evry_91/a", wished_seconds=INTERVAL, share_seconds=30)
    end(0, Outcome.NO_SLOTS)


def end(number: int, outcome: Outcome) -> VisitEnd:
    """Let the desk's check of that number end so, one day after the other, and return what follows."""
    now = NOW + number * timedelta(days=1)
    shown = (slot(now + timedelta(days=1)),) if outcome is Outcome.SLOTS else ()
    (visit,) = recorded(now, "a", number + 1, *shown, outcome=outcome).visits
    return visit


def test_every_outcome_has_its_row() -> None:
    assert [row.outcome for row in TABLE] == list(Outcome)


@pytest.mark.rule("4.8")
@each_row
def test_what_counts_towards_the_pause(row: Row) -> None:
    for number in range(1, 5):
        end(number, row.outcome)
    assert get(DeskState, "evry_91/a").inconclusive == 4 * row.counts
    assert get(DeskState, "evry_91/a").status is row.status
    end(5, row.outcome)
    assert (get(DeskState, "evry_91/a").status is ERROR) == (row.counts or row.outcome is Outcome.CLOSED)
    assert ("5 checks in a row proved nothing" in get(DeskState, "evry_91/a").status_reason) == row.counts


@each_row
def test_how_long_the_desk_rests(row: Row) -> None:
    for number, expected in ((1, row.wait), (2, row.later)):
        waited = (end(number, row.outcome).due - NOW - number * timedelta(days=1)).total_seconds()
        assert expected <= waited <= expected * (1.1 if row.host else 1)


@pytest.mark.rule("3.9")
@each_row
def test_how_long_the_host_rests(row: Row) -> None:
    for number, expected in ((1, row.host), (2, row.host and 2 * row.host)):
        rest = end(number, row.outcome).rest
        waited = rest and (rest - NOW - number * timedelta(days=1)).total_seconds()
        assert waited is None if expected is None else waited and expected <= waited <= 1.1 * expected
    assert [each.host for each in rows(HostState) if each.rests_until] == ([HOST] if row.host else [])


@each_row
def test_what_it_proves_and_what_status_the_desk_gets(row: Row) -> None:
    end(1, row.outcome)
    desk = get(DeskState, "evry_91/a")
    assert (desk.last_outcome, desk.last_proven_at == NOW + timedelta(days=1)) == (row.outcome, row.proves)
    assert desk.status is row.status
    assert desk.status_reason not in ("", "not checked yet")


@each_row
def test_the_first_proof_after_any_of_it_brings_everything_back(row: Row) -> None:
    for number in range(1, 9):
        end(number, row.outcome)
    visit = end(9, Outcome.NO_SLOTS)
    assert (get(DeskState, "evry_91/a").status, get(DeskState, "evry_91/a").inconclusive) == (ACTIVE, 0)
    assert visit.due == NOW + timedelta(days=9, seconds=INTERVAL)


@pytest.mark.rule("4.8")
def test_a_captcha_that_the_page_always_has_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    from crawler.recording import desk_state_update

    monkeypatch.setattr(desk_state_update, "captcha_expected", lambda _: True)
    for number in range(1, 9):
        visit = end(number, Outcome.CAPTCHA)
    assert (get(DeskState, "evry_91/a").status, get(DeskState, "evry_91/a").inconclusive) == (CAPTCHA, 0)
    assert (visit.due - NOW - timedelta(days=8)).total_seconds() == 15 * MINUTE


def test_only_a_rate_limit_costs_budget() -> None:
    for number, outcome in enumerate(Outcome, start=1):
        end(number, outcome)
    host = get(HostState, HOST)
    assert (host.budget_share, host.rests_in_a_row) == (0.5, 2)


def test_a_site_that_says_when_is_obeyed() -> None:
    now = NOW + timedelta(days=1)
    (visit,) = recorded(now, "a", 2, outcome=Outcome.RATE_LIMITED, retry_after=1234.0).visits
    assert visit.rest
    assert 1234 <= (visit.rest - now).total_seconds() <= 1.1 * 1234
    assert visit.due >= visit.rest
