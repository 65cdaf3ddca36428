"""Notices of desks that became watchable: once each, after a check looked for slots."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine

from api.models.alert import Alert
from api.models.base import session
from api.models.discovery import DriftReason
from configs.world.desk import Desk
from configs.world.outcome import Outcome
from crawler.incidents import moved_pages
from tests.crawler.incidents.incidents_world import HOUR, NOW, checked, desk, person, told, waits

A = {"desk_id": "evry_91/a"}
BY_PROCEDURE = {"prefecture_id": "evry_91", "procedure": "NATURALISATION"}


@pytest.fixture(autouse=True)
def world(
    database: str,
    redis_server: Any,
    desk_files: Callable[..., dict[str, Desk]],
    frozen: time_machine.Traveller,
) -> None:
    desk_files(a="127.77.0.91:8800", b="127.77.0.92:8800")


def keeps(*targets: dict[str, str], **values: object) -> UUID:
    """Let somebody keep an alert until it can be watched; return it."""
    alert = waits(person(), *targets)
    with session() as rows:
        kept = {"enabled": False, "awaits_watch": True} | values
        rows.execute(sa.update(Alert).where(Alert.id == alert).values(kept))
    return alert


def still_kept(alert: UUID) -> bool:
    with session() as rows:
        return rows.get_one(Alert, alert).awaits_watch


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


@pytest.mark.parametrize("outcome", [Outcome.CAPTCHA, Outcome.CLOSED, Outcome.UNREADABLE])
def test_what_proves_nothing_makes_nothing_watchable(outcome: Outcome) -> None:
    alert = keeps(A)
    checked("a", (outcome, NOW))
    assert "desk_watchable" not in {each.kind for each in told(NOW)}
    assert still_kept(alert)


def test_a_page_that_was_closed_since_is_not_told() -> None:
    alert = keeps(A)
    checked("a", (Outcome.NO_SLOTS, NOW - HOUR), (Outcome.CLOSED, NOW))
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
    assert [row.kind for row in told(NOW + HOUR)] == ["desk_watchable"]
