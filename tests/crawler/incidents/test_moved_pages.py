"""Desks that moved: out of sale and told, until they are found or proven again."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from api.models.base import session
from api.models.desk import DeskState, DeskStatus
from api.models.discovery import DriftReason
from api.models.user import Role
from configs.world.desk import Grade, Outcome, WatchLevel
from configs.world.prefecture import desks
from crawler.incidents import moved_pages
from crawler.recording.check_transaction import record_checks
from tests.crawler.checks import check, slot
from tests.crawler.incidents.incidents_world import (  # fmt: skip
    HOUR,
    MINUTE,
    NOW,
    checked,
    deliver,
    desk,
    incidents,
    person,
    told,
    waits,
)
from tests.factories import change, get
from tests.in_turn import in_turn

pytestmark = pytest.mark.usefixtures("three_desks")
A = {"desk_id": "evry_91/a"}
EVERY = list(DriftReason)


def moved(slug: str = "a", reason: DriftReason = DriftReason.SILENT, at: datetime = NOW) -> None:
    with session() as rows:
        moved_pages.open_drifts(rows, [(desk(slug), reason, "HTTP 404")], at)


def open_ones() -> list[str]:
    with session() as rows:
        return [each.desk_id for each in moved_pages.find_open_drifts(rows)]


def state(slug: str = "a") -> DeskState:
    return get(DeskState, f"evry_91/{slug}")


@pytest.mark.parametrize("reason", EVERY)
def test_operators_and_those_who_wait_are_told_at_once_and_once(reason: DriftReason) -> None:
    operator, waiting = person(Role.ADMIN), person()
    person()
    waits(waiting, A)
    moved(reason=reason)
    assert open_ones() == ["evry_91/a"]
    first = told(NOW)
    assert {(each.user_id, each.kind, each.params["reason"]) for each in first} == {
        (operator, "desk_trouble", reason.value),
        (waiting, "desk_unwatched", reason.value),
    }
    assert incidents()[0].subject == "evry_91/a"
    assert [told(NOW + minutes * MINUTE) for minutes in (1, 600)] == [[], []]
    assert (state().status, state().status_reason) == (
        DeskStatus.ERROR,
        "the page seems to have moved: HTTP 404",
    )


@pytest.mark.parametrize(
    ("outcome", "stay"),
    [(Outcome.NO_SLOTS, "b"), (Outcome.SLOTS, ""), (Outcome.CAPTCHA, "ab"), (Outcome.UNREACHABLE, "ab")],
)
def test_a_check_that_proves_the_page_ends_it(outcome: Outcome, stay: str) -> None:
    moved("a", DriftReason.SILENT)
    moved("b", DriftReason.UNLINKED)
    for slug in "ab":
        checked(slug, (outcome, NOW + MINUTE))
    if outcome is Outcome.SLOTS:
        change(DeskState, last_slot_at=NOW + MINUTE)
    told(NOW + 2 * MINUTE)
    assert sorted(open_ones()) == [f"evry_91/{slug}" for slug in stay]


def test_where_there_always_is_a_captcha_it_proves_the_page() -> None:
    moved()
    moved("b", DriftReason.UNLINKED)
    checked("a", (Outcome.CAPTCHA, NOW + MINUTE))
    checked("b", (Outcome.CAPTCHA, NOW + MINUTE))
    behind = {each.id: each.model_copy(update={"watch": WatchLevel.PRESENCE}) for each in desks().values()}
    with session() as rows:
        moved_pages.end_settled_drifts(rows, behind, NOW + HOUR)
    assert open_ones() == ["evry_91/b"]


@in_turn(
    "edit, over",
    [
        ({"grade": Grade.CONFIRMED, "date": (NOW + timedelta(days=1)).date()}, True),
        ({"grade": Grade.CONFIRMED, "date": NOW.date()}, False),
        ({"grade": Grade.UNCONFIRMED, "date": (NOW + timedelta(days=1)).date()}, False),
        ({"grade": Grade.RETIRED}, True),
        (None, True),
    ],
)
def test_an_operator_ends_it_in_the_file(edit: dict[str, Any] | None, over: bool) -> None:
    moved(reason=DriftReason.UNLINKED)
    files = {each.id: each.model_copy(update=edit) for each in desks().values()} if edit else {}
    with session() as rows:
        moved_pages.end_settled_drifts(rows, files, NOW + HOUR)
    assert (open_ones() == []) == over


def test_whoever_was_told_is_told_that_it_is_found_again() -> None:
    waiting = person()
    waits(waiting, A)
    moved()
    told(NOW)
    deliver()
    checked("a", (Outcome.NO_SLOTS, NOW + MINUTE))
    assert told(NOW + 2 * MINUTE) == []
    assert [each.kind for each in told(NOW + HOUR)] == ["desk_watched"]


def test_nobody_is_told_that_it_is_watched_while_it_is_moved() -> None:
    waits(person(), A)
    moved(reason=DriftReason.UNLINKED)
    told(NOW)
    deliver()
    checked("a", (Outcome.NO_SLOTS, NOW + MINUTE))
    assert [told(NOW + hours * HOUR) for hours in (1, 2, 3)] == [[], [], []]


@pytest.mark.parametrize(
    ("reason", "found", "status"),
    [
        (DriftReason.SILENT, False, DeskStatus.ACTIVE),
        (DriftReason.UNLINKED, False, DeskStatus.ERROR),
        (DriftReason.UNLINKED, True, DeskStatus.ACTIVE),
    ],
)
def test_the_status_stays_until_a_check_proves_it_wrong(
    reason: DriftReason, found: bool, status: DeskStatus
) -> None:
    moved(reason=reason)
    record_checks([check("a", 1, *([slot()] if found else []), seen_at=NOW)])
    assert state().status is status
    assert ("moved" in state().status_reason) == (status is DeskStatus.ERROR)
