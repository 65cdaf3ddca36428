"""The end of a hold: two conclusive checks of the desk that began after it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from api.models.base import session
from api.models.desk import DeskState
from api.models.hold import Hold
from configs.desk import Desk
from configs.outcome import Outcome
from crawler.items import FinishedCheck
from crawler.recording.batch_writer import record
from tests.crawler.checks import HOST, NOW, check, slot

SECOND = timedelta(seconds=1)
A, B = "evry_91/a", "evry_91/b"


@pytest.fixture(autouse=True)
def world(planned_desks: Callable[..., dict[str, Desk]]) -> None:
    planned_desks(a=HOST, b=HOST)


def hold(*desk_ids: str) -> None:
    with session() as s:
        for each in desk_ids:
            s.execute(sa.update(DeskState).where(DeskState.id == each).values(held_at=NOW))
            s.add(Hold(desk_id=each, starts_at=NOW, people=3))


def look(token: int, outcome: Outcome | None = None, desk: str = "a", after: int | None = None) -> None:
    """Record a check that began so many seconds after the hold (default: as many as its token says)."""
    begins = NOW + (token if after is None else after) * SECOND
    seen = [] if outcome else [slot()]
    item = check(desk, token, *seen, started_at=begins, **({"outcome": outcome} if outcome else {}))
    record([FinishedCheck(item, token, begins)])


def state(desk_id: str = A) -> tuple[bool, int, bool]:
    """Return whether the desk is held, how many proven answers were counted, and whether the hold has ended."""
    with session() as s:
        kept = s.scalars(sa.select(Hold).where(Hold.desk_id == desk_id)).one()
        return s.get_one(DeskState, desk_id).held_at is not None, kept.proven, kept.ends_at is not None


@pytest.mark.parametrize("second", [None, Outcome.NO_SLOTS])
def test_the_second_proven_answer_ends_a_hold(second: Outcome | None) -> None:
    hold(A)
    look(1)
    assert state() == (True, 1, False)
    look(2, second)
    assert state() == (False, 2, True)
    with session() as s:
        assert s.scalars(sa.select(Hold.ends_at)).one() == NOW + 2 * SECOND


@pytest.mark.parametrize(
    "outcome",
    [each for each in Outcome if not each.conclusive],
)
def test_what_proves_nothing_does_not_count(outcome: Outcome) -> None:
    hold(A)
    look(1)
    look(2, outcome)
    assert state() == (True, 1, False)


def test_a_check_that_began_before_the_hold_does_not_count() -> None:
    hold(A)
    look(1, after=-1)
    look(2, after=0)
    assert state() == (True, 0, False)


def test_an_outdated_check_does_not_count() -> None:
    hold(A)
    look(5)
    look(4)
    assert state() == (True, 1, False)


def test_each_desk_has_its_own_hold() -> None:
    hold(A, B)
    for token in (1, 2):
        look(token)
    look(3, desk="b")
    assert (state(A), state(B)) == ((False, 2, True), (True, 1, False))


def test_a_later_hold_counts_anew() -> None:
    hold(A)
    look(1)
    look(2)
    with session() as s:
        s.execute(sa.update(DeskState).where(DeskState.id == A).values(held_at=NOW + 3 * SECOND))
        s.add(Hold(desk_id=A, starts_at=NOW + 3 * SECOND, people=4))
    look(4)
    with session() as s:
        assert list(s.scalars(sa.select(Hold.proven).order_by(Hold.starts_at))) == [2, 1]
        assert s.get_one(DeskState, A).held_at is not None
