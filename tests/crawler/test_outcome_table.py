"""DESIGN.md section 4, "What an outcome does", row by row: what it proves, what it counts, what rests, the status."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
import time_machine

from api.models.desk import DeskState, DeskStatus, HostState, Outage
from configs.world.desk import Desk, Outcome
from crawler.scheduling.due_queue import VisitEnd
from tests.crawler.checks import HOST, NOW, recorded, slot
from tests.factories import add_desk, get, rows

INTERVAL = 60
MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass(frozen=True)
class Row:
    """One row of the table. `wait`: seconds to the next check; `later`: the same when it happened twice in a row.

    `outage`: of how many in a row the first is that leaves the desk unwatched; None: none does.
    """

    outcome: Outcome
    proves: bool
    counts: bool
    wait: float
    later: float
    host: float | None
    status: DeskStatus
    outage: int | None = None


ACTIVE, PAUSED, ERROR, CAPTCHA = DeskStatus.ACTIVE, DeskStatus.PAUSED, DeskStatus.ERROR, DeskStatus.CAPTCHA
YES, NO = True, False
TABLE = [
    Row(Outcome.SLOTS, YES, NO, INTERVAL, INTERVAL, None, ACTIVE),
    Row(Outcome.NO_SLOTS, YES, NO, INTERVAL, INTERVAL, None, ACTIVE),
    Row(Outcome.CAPTCHA, NO, YES, 15 * MINUTE, 15 * MINUTE, None, CAPTCHA, 1),
    Row(Outcome.BLOCKED, NO, YES, 5 * MINUTE, 10 * MINUTE, 5 * MINUTE, PAUSED, 1),
    Row(Outcome.RATE_LIMITED, NO, NO, MINUTE, 2 * MINUTE, MINUTE, ACTIVE, 1),
    Row(Outcome.OVERLOADED, NO, NO, 2 * INTERVAL, 2 * INTERVAL, None, ACTIVE),
    Row(Outcome.MAINTENANCE, NO, NO, 5 * MINUTE, 5 * MINUTE, None, PAUSED, 1),
    Row(Outcome.CLOSED, NO, NO, DAY, DAY, None, ERROR, 1),
    Row(Outcome.UNREACHABLE, NO, YES, 1.5 * INTERVAL, 1.5 * INTERVAL, None, ACTIVE, 5),
    Row(Outcome.UNREADABLE, NO, YES, INTERVAL, 2 * INTERVAL, None, ACTIVE, 5),
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


@pytest.mark.rule("3.9", "4.8")
@each_row
def test_an_outcome_does_what_its_row_says_until_the_first_proof_brings_everything_back(row: Row) -> None:
    for number in range(1, 9):
        visit, now = end(number, row.outcome), NOW + number * timedelta(days=1)
        desk = get(DeskState, "evry_91/a")
        if number == 1:
            assert (desk.last_outcome, desk.last_proven_at == now) == (row.outcome, row.proves)
            assert desk.status is row.status
            assert desk.status_reason not in ("", "not checked yet")
        if number <= 2:
            wait, waited = row.later if number == 2 else row.wait, (visit.due - now).total_seconds()
            assert wait <= waited <= wait * (1.1 if row.host else 1), "how long the desk rests"
            rest, rested = row.host and number * row.host, visit.rest and (visit.rest - now).total_seconds()
            assert rested is None if rest is None else rested and rest <= rested <= 1.1 * rest
            resting = [each.host for each in rows(HostState) if each.rests_until]
            assert resting == ([HOST] if row.host else [])
        if number == 4:
            assert (desk.inconclusive, desk.status) == (4 * row.counts, row.status)
        if number == 5:
            assert (desk.status is ERROR) == (row.counts or row.outcome is Outcome.CLOSED), "the pause"
            assert ("5 checks in a row proved nothing" in desk.status_reason) == row.counts
    end(9, Outcome.OVERLOADED)  # it proves nothing
    visit, desk = end(10, Outcome.NO_SLOTS), get(DeskState, "evry_91/a")
    assert (desk.status, desk.inconclusive) == (ACTIVE, 0)
    assert visit.due == NOW + timedelta(days=10, seconds=INTERVAL)
    outages = [(each.reason.value, (each.starts_at - NOW).days, each.ends_at) for each in rows(Outage)]
    assert outages == ([(row.outcome.value, row.outage, NOW + timedelta(days=10))] if row.outage else [])


@pytest.mark.rule("4.8")
def test_a_captcha_that_the_page_always_has_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    from crawler.recording import desk_state_update

    monkeypatch.setattr(desk_state_update, "captcha_expected", lambda _: True)
    for number in range(1, 9):
        visit = end(number, Outcome.CAPTCHA)
    assert (get(DeskState, "evry_91/a").status, get(DeskState, "evry_91/a").inconclusive) == (CAPTCHA, 0)
    assert (visit.due - NOW - timedelta(days=8)).total_seconds() == 15 * MINUTE
