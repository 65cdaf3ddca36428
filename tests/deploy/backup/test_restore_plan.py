"""Plans of restores: the newest base before the wished second, on the right timeline, with all log that it needs."""

from datetime import timedelta
from pathlib import Path

import pytest

from configs.ground.object_store import Blobs
from deploy.backup.errors import BackupError
from deploy.backup.restore_plan import Range, Wish, find_ranges, make_plan
from deploy.backup.wal_archive import SEGMENT, history_key, read_archive, seal
from tests.deploy.backup.samples import KEY, NOW, SYSTEM, describe, keep, keep_log, open_folder

HOUR = timedelta(hours=1)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    """Give a store with two bases, 2 and 1 days old, and log from the first on up to an hour ago."""
    made = open_folder(tmp_path)
    keep(made, describe(2, start_lsn=2 * SEGMENT + 9, stop_lsn=3 * SEGMENT))
    keep(made, describe(1, start_lsn=4 * SEGMENT + 9, stop_lsn=5 * SEGMENT))
    for number in range(2, 8):
        keep_log(made, number * SEGMENT, bytes(SEGMENT), minutes=-60 * (8 - number))
    return made


def test_without_a_wish_all_log_after_the_newest_base_is_replayed(blobs: Blobs) -> None:
    plan = make_plan(blobs, [KEY], Wish())
    assert (NOW - plan.base.started_at).days == 1
    assert [(timeline, [chunk.start // SEGMENT for chunk in chunks]) for timeline, chunks in plan.log] == [
        (1, [4, 5, 6, 7])
    ]
    assert plan.until == NOW - HOUR


def test_a_second_is_reached_from_the_base_before_it_with_no_more_log_than_needed(blobs: Blobs) -> None:
    plan = make_plan(blobs, [KEY], Wish(to=NOW - 3 * HOUR - timedelta(minutes=30)))
    assert [chunk.start // SEGMENT for chunk in plan.log[0][1]] == [4, 5]
    older = make_plan(blobs, [KEY], Wish(to=NOW - timedelta(days=1, hours=1)))
    assert (NOW - older.base.started_at).days == 2


def test_a_second_that_is_not_stored_is_refused_with_what_is(blobs: Blobs) -> None:
    with pytest.raises(BackupError, match=r"stored up to 2026-11-22 08:00:00 UTC"):
        make_plan(blobs, [KEY], Wish(to=NOW))
    with pytest.raises(BackupError, match=r"nothing before 2026-11-20 09:10:00 UTC"):
        make_plan(blobs, [KEY], Wish(to=NOW - timedelta(days=2)))
    with pytest.raises(BackupError, match="no complete base backup 20000101T000000Z-000000"):
        make_plan(blobs, [KEY], Wish(base="20000101T000000Z-000000"))


def test_log_that_is_missing_is_named(blobs: Blobs, tmp_path: Path) -> None:
    blobs.delete(read_archive(blobs, SYSTEM).chunks[1][2].key)
    with pytest.raises(
        BackupError, match=r"log of timeline 1 is missing from 0/\w+ on, needed up to 0/5000000"
    ):
        make_plan(blobs, [KEY], Wish())
    before = make_plan(blobs, [KEY], Wish(to=NOW - timedelta(days=1, hours=1)))
    assert len(before.log[0][1]) == 1
    empty = open_folder(tmp_path / "empty")
    with pytest.raises(BackupError, match="no complete base backup"):
        make_plan(empty, [KEY], Wish())


def test_each_stretch_of_log_without_a_gap_is_a_range(blobs: Blobs) -> None:
    bases = [describe(2, start_lsn=2 * SEGMENT), describe(1, start_lsn=6 * SEGMENT)]
    archive = read_archive(blobs, SYSTEM)
    assert find_ranges(bases, archive) == [Range(1, bases[0].finished_at, NOW - HOUR)]
    blobs.delete(archive.chunks[1][2].key)
    before, after = find_ranges(bases, read_archive(blobs, SYSTEM))
    assert before == Range(1, bases[0].finished_at, NOW - 5 * HOUR)
    assert after == Range(1, bases[1].finished_at, NOW - HOUR)
    # a gap whose newer base is not made yet does not hide what can be restored
    assert find_ranges(bases[:1], read_archive(blobs, SYSTEM)) == [before]
    assert find_ranges([], archive) == []


def branch(blobs: Blobs, at: int) -> None:
    """Begin timeline 2 at a position."""
    content = f"1\t{at >> 32:X}/{at & 0xFFFFFFFF:X}\tbefore\n".encode()
    key = history_key(SYSTEM, 2, content)
    blobs.put(key, seal(key, content, [KEY.to_public()]))
    keep_log(blobs, at - at % SEGMENT, bytes(SEGMENT + 5), minutes=5, timeline=2)


def test_after_a_restore_the_log_is_followed_through_the_branch(blobs: Blobs) -> None:
    branch(blobs, 5 * SEGMENT + 100)
    plan = make_plan(blobs, [KEY], Wish())
    assert plan.timeline == 2
    assert [(timeline, [chunk.start // SEGMENT for chunk in chunks]) for timeline, chunks in plan.log] == [
        (1, [4, 5]),
        (2, [5]),
    ]
    assert plan.until == NOW + timedelta(minutes=5)
    assert set(plan.histories) == {2}
    left = make_plan(blobs, [KEY], Wish(timeline=1))
    assert (left.timeline, len(left.log[0][1])) == (1, 4)


def test_a_base_of_what_a_restore_left_behind_is_not_taken(blobs: Blobs) -> None:
    branch(blobs, 4 * SEGMENT + 5)
    assert (NOW - make_plan(blobs, [KEY], Wish()).base.started_at).days == 2
    with pytest.raises(BackupError, match="no history of timeline 7"):
        make_plan(blobs, [KEY], Wish(timeline=7))
