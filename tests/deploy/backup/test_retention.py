"""Retention: any second of seven days can be restored, whatever the clock and the backups of some nights do."""

from datetime import timedelta
from pathlib import Path
from threading import Event
from unittest.mock import MagicMock

import pytest

from configs.ground.object_store import StoreAway, StoreTrouble
from deploy.backup import status
from deploy.backup.database import ServerState
from deploy.backup.encryption import fingerprints
from deploy.backup.manifest import Kind, Manifest, read_catalogue
from deploy.backup.retention import RANGE, choose_expired, choose_needless_log, prune
from deploy.backup.service import describe_for_health, find_due_time, is_due
from deploy.backup.wal_archive import SEGMENT, read_archive
from deploy.backup.wal_stream import WalStream
from tests.deploy.backup.samples import KEY, NOW, OTHER, SYSTEM, describe, keep, keep_log, open_folder
from tests.in_turn import in_turn


def nights(*ages: float) -> list[Manifest]:
    return [describe(days) for days in sorted(ages, reverse=True)]


def left(found: list[Manifest], ahead: float = 0) -> list[float]:
    """Return the ages, in days, of those that are kept by a clock that is so many days ahead."""
    expired = choose_expired(found, NOW + timedelta(days=ahead))
    return [round((NOW - each.started_at) / timedelta(days=1), 1) for each in found if each not in expired]


def test_of_nightly_backups_eight_days_are_kept() -> None:
    assert left(nights(*range(30))) == [8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert left([]) == []


def test_a_week_without_a_backup_keeps_the_one_before_it() -> None:
    assert left(nights(20, 15, 12, 11, 10, 9, 3, 2.9, 2.8, 2.7, 2.6, 2.5, 2.4, 1, 0)) == [
        9, 3, 2.9, 2.8, 2.7, 2.6, 2.5, 2.4, 1, 0,
    ]  # fmt: skip


@in_turn("ahead", [1, 8, 40, 4000])
def test_a_clock_that_is_set_ahead_drops_no_day_of_the_range(ahead: float) -> None:
    kept = left([*nights(*range(1, 9)), describe(-ahead)], ahead)
    assert max(kept) >= RANGE / timedelta(days=1)


def test_many_backups_by_hand_drop_no_day_of_the_range() -> None:
    kept = left(nights(12, 8.5, *(number / 10 for number in range(20))))
    assert max(kept) == 8.5


def test_dumps_are_kept_for_four_weeks_and_four_of_them_in_any_case() -> None:
    dumps = [describe(days, kind=Kind.DUMP) for days in (90, 60, 40, 35, 30, 29)]
    assert left(dumps) == [40, 35, 30, 29]


def test_log_is_kept_from_the_segment_on_in_which_the_oldest_base_begins(tmp_path: Path) -> None:
    blobs = open_folder(tmp_path)
    for number in range(5):
        keep_log(blobs, number * SEGMENT // 2, bytes(SEGMENT // 2))
    archive = read_archive(blobs, SYSTEM)
    base = describe(start_lsn=SEGMENT + SEGMENT // 2 + 8)
    needless = choose_needless_log(archive, [base, describe(start_lsn=9 * SEGMENT)])
    assert needless == [chunk.key for chunk in archive.chunks[1][:2]]
    assert choose_needless_log(archive, []) == []
    assert choose_needless_log(archive, [describe(system="1", start_lsn=9 * SEGMENT)]) == []


def test_log_of_a_timeline_that_no_base_comes_from_is_dropped(tmp_path: Path) -> None:
    blobs = open_folder(tmp_path)
    old = keep_log(blobs, 9 * SEGMENT, b"x")
    keep_log(blobs, 9 * SEGMENT, b"x", timeline=2)
    archive = read_archive(blobs, SYSTEM)
    assert choose_needless_log(archive, [describe(timeline=2)]) == [old]
    assert choose_needless_log(archive, [describe(), describe(timeline=2)]) == []


def test_what_has_expired_is_deleted_with_its_log_and_what_was_never_complete(tmp_path: Path) -> None:
    blobs = open_folder(tmp_path)
    kept = [keep(blobs, describe(days, start_lsn=(20 - days) * SEGMENT)) for days in range(9)]
    for days in (11, 10):
        keep(blobs, describe(days, start_lsn=(20 - days) * SEGMENT))
    for number in range(8, 21):
        keep_log(blobs, number * SEGMENT, b"log")
    dead, running = describe(5), describe(0.01)
    blobs.put(f"{dead.folder}/000000.age", b"half")
    blobs.put(f"{running.folder}/000000.age", b"half")
    prune(blobs, NOW)
    found = read_catalogue(blobs, Kind.BASE)
    assert found.complete == sorted(kept, key=lambda each: each.started_at)
    assert found.unfinished == [running.name]
    assert [chunk.start // SEGMENT for chunk in read_archive(blobs, SYSTEM).chunks[1]] == list(range(12, 21))


def test_a_damaged_manifest_keeps_all_log(tmp_path: Path) -> None:
    blobs = open_folder(tmp_path)
    damaged = keep(blobs, describe(2))
    keep(blobs, describe(1, start_lsn=9 * SEGMENT))
    blobs.put(f"{damaged.folder}/manifest.json", b"{")
    keep_log(blobs, 2 * SEGMENT, b"log")
    prune(blobs, NOW)
    assert read_archive(blobs, SYSTEM).chunks[1]


# Schedule of the backups, by the server's clock, and what health learns of a store in trouble.


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


def test_the_base_of_a_new_slot_is_asked_for_before_a_base_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql, steps = MagicMock(), list[str]()
    asked = sql.cursor.return_value.__enter__.return_value
    asked.execute.side_effect = lambda statement, *_: steps.append(statement)
    # There is no slot; one that is made answers nothing that is read.
    asked.fetchall.side_effect = [[(SEGMENT,)], [], [], [("0/3000000",)]]
    monkeypatch.setattr(status, "request_backup", lambda _sql, part: steps.append(part))
    WalStream(open_folder(tmp_path), [KEY.to_public()], Event())._prepare_slot(sql)
    (made,) = [each for each in steps if "pg_create_physical_replication_slot" in each]
    assert steps.index("base") < steps.index(made)  # else a second base is made
