"""A desk whose places one check cannot ask: what its row remembers, and when it counts as proven."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine

from api.models.desk import DeskState
from configs.world.desk import Desk
from crawler.reading import CoveredWindow
from crawler.recording import coverage_tracking
from tests.crawler.checks import HOST, NOW, recorded
from tests.factories import add_desk, get

SECONDS = 60.0  # the desk's interval
PLACES = ("a", "b", "c")


@pytest.fixture(autouse=True)
def desk(database: str, desk_files: Callable[..., dict[str, Desk]], frozen: time_machine.Traveller) -> None:
    desk_files(a=HOST)
    add_desk("evry_91/a", wished_seconds=SECONDS, share_seconds=30)


def visit(minute: int, *covered: CoveredWindow) -> DeskState:
    """Let a visit that knows of three places end, and return the desk's row."""
    at = NOW + timedelta(minutes=minute)
    recorded(at, "a", minute + 1, covered=covered, places=PLACES)
    return get(DeskState, "evry_91/a")


def is_proven(row: DeskState, minute: int) -> bool:
    return coverage_tracking.is_proven(row.whole_at, SECONDS, NOW + timedelta(minutes=minute))


@pytest.mark.rule("3.2")
def test_a_desk_is_proven_when_the_last_of_its_places_was_covered() -> None:
    for minute, place in enumerate(PLACES[:2]):
        row = visit(minute, CoveredWindow(place))
        assert not is_proven(row, minute)
        assert row.status_reason.endswith("the rest is asked in turn")
        assert row.last_proven_at == NOW + timedelta(minutes=minute)
    row = visit(2, CoveredWindow("c"))
    assert (row.whole_at, is_proven(row, 2)) == (NOW, True)
    assert row.status_reason == "watched: no slot is open"
    assert not is_proven(row, 6)


@pytest.mark.rule("3.2")
def test_a_place_that_was_covered_more_than_five_intervals_ago_counts_no_more() -> None:
    visit(0, CoveredWindow("a"))
    visit(3, CoveredWindow("b"))
    assert not is_proven(visit(6, CoveredWindow("c")), 6)
    assert is_proven(visit(7, CoveredWindow("a")), 7)
