"""Retention: any second of seven days can be restored, whatever the clock and the backups of some nights do."""

from datetime import timedelta
from pathlib import Path

from deploy.backup.manifest import Kind, Manifest, read_catalogue
from deploy.backup.retention import RANGE, choose_expired, choose_needless_log, prune
from deploy.backup.wal_archive import SEGMENT, read_archive
from tests.deploy.backup.samples import NOW, SYSTEM, describe, keep, keep_log, open_folder
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
