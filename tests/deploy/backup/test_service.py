"""Schedule of the backups, by the server's clock."""

from datetime import timedelta

import pytest

from deploy.backup.database import ServerState
from deploy.backup.manifest import Kind, Manifest
from deploy.backup.service import find_due_time, is_due
from tests.deploy.backup.samples import NOW, SYSTEM, describe


def server(hours: float = 0, timeline: int = 1, system: str = SYSTEM) -> ServerState:
    return ServerState(system, timeline, 0, NOW + timedelta(hours=hours), 180004, 0)


def base(days: float) -> Manifest:
    return describe(days)


def test_base_backups_are_due_each_night_and_dumps_on_sundays() -> None:
    assert f"{find_due_time(Kind.BASE, NOW):%a %d %H:%M}" == "Sun 22 02:00"
    assert f"{find_due_time(Kind.DUMP, NOW):%a %d %H:%M}" == "Sun 22 02:00"
    assert f"{find_due_time(Kind.DUMP, NOW - timedelta(hours=8)):%a %d %H:%M}" == "Sun 15 02:00"


@pytest.mark.parametrize(
    ("ages", "due"), [((), True), ((2, 1), True), ((0.2,), False), ((1, 0.01), False), ((0.31,), True)]
)
def test_a_night_without_a_backup_is_made_up(ages: tuple[float, ...], due: bool) -> None:
    assert is_due(Kind.BASE, [base(days) for days in ages], server()) is due


def test_a_backup_of_the_future_does_not_count() -> None:
    assert is_due(Kind.BASE, [base(1), base(-300)], server())
    assert not is_due(Kind.BASE, [base(0.1), base(-300)], server())


def test_a_restored_cluster_needs_a_base_of_its_own_at_once() -> None:
    assert is_due(Kind.BASE, [base(0.1)], server(timeline=2))
    assert is_due(Kind.BASE, [base(0.1)], server(system="1"))
    assert not is_due(Kind.DUMP, [base(0.1)], server(timeline=2))
