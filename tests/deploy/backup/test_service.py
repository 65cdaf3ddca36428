"""Schedule of the backups, by the server's clock, and what health learns of a store in trouble."""

from datetime import timedelta

from configs.ground.object_store import StoreAway, StoreTrouble
from deploy.backup.database import ServerState
from deploy.backup.encryption import fingerprints
from deploy.backup.manifest import Kind, Manifest
from deploy.backup.service import describe_for_health, find_due_time, is_due
from tests.deploy.backup.samples import KEY, NOW, OTHER, SYSTEM, describe
from tests.in_turn import in_turn


def server(hours: float = 0, timeline: int = 1, system: str = SYSTEM) -> ServerState:
    return ServerState(system, timeline, 0, NOW + timedelta(hours=hours), 180004, 0)


def base(days: float) -> Manifest:
    return describe(days)


def test_base_backups_are_due_each_night_and_dumps_on_sundays() -> None:
    assert f"{find_due_time(Kind.BASE, NOW):%a %d %H:%M}" == "Sun 22 02:00"
    assert f"{find_due_time(Kind.DUMP, NOW):%a %d %H:%M}" == "Sun 22 02:00"
    assert f"{find_due_time(Kind.DUMP, NOW - timedelta(hours=8)):%a %d %H:%M}" == "Sun 15 02:00"


@in_turn("ages, due", [((), True), ((2, 1), True), ((0.2,), False), ((1, 0.01), False), ((0.31,), True)])
def test_a_night_without_a_backup_is_made_up(ages: tuple[float, ...], due: bool) -> None:
    assert is_due(Kind.BASE, [base(days) for days in ages], server()) is due


def test_a_backup_of_the_future_does_not_count() -> None:
    assert is_due(Kind.BASE, [base(1), base(-300)], server())
    assert not is_due(Kind.BASE, [base(0.1), base(-300)], server())


def test_a_restored_cluster_needs_a_base_of_its_own_at_once() -> None:
    assert is_due(Kind.BASE, [base(0.1)], server(timeline=2))
    assert is_due(Kind.BASE, [base(0.1)], server(system="1"))
    assert not is_due(Kind.DUMP, [base(0.1)], server(timeline=2))


def test_other_recipients_need_a_base_of_their_own_at_once() -> None:
    ours, theirs = fingerprints([KEY.to_public()]), fingerprints([OTHER.to_public()])
    assert not is_due(Kind.BASE, [describe(0.1, recipients=ours)], server(), ours)
    assert is_due(Kind.BASE, [describe(0.1, recipients=theirs)], server(), ours)
    assert not is_due(Kind.BASE, [describe(0.1)], server(), ours)  # an older one does not say


def test_health_learns_what_the_store_does_but_not_where_it_is() -> None:
    error = StoreAway("the store of BACKUP_URL is in trouble: s3://secret", StoreTrouble.FULL)
    assert describe_for_health(error) == "the store of backups is full"
