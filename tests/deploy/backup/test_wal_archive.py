"""The stored log: chunks become PostgreSQL's files again, gaps are seen, and no object passes for another."""

from pathlib import Path

import pytest

from deploy.backup.errors import BackupError, DamagedBackup, KeyRefused
from deploy.backup.wal_archive import (
    SEGMENT,
    Stretch,
    check_segment_size,
    find_stretch,
    read_ancestry,
    read_archive,
    read_archives,
    segment_name,
    unseal,
    write_segments,
)
from tests.deploy.backup.samples import KEY, NOW, OTHER, SYSTEM, keep_log, open_folder


def test_chunks_that_overlap_and_cross_files_become_segments(tmp_path: Path) -> None:
    blobs, log = open_folder(tmp_path / "store"), bytes(range(251)) * 160_000
    for start, end in ((0, 100), (50, SEGMENT + 7), (SEGMENT + 7, len(log))):
        keep_log(blobs, start, log[start:end])
    (tmp_path / "log").mkdir()
    chunks = read_archive(blobs, SYSTEM).chunks[1]
    write_segments(blobs, chunks, 1, [KEY], tmp_path / "log")
    files = sorted((tmp_path / "log").iterdir())
    assert [file.name for file in files] == [segment_name(1, number * SEGMENT) for number in range(3)]
    assert b"".join(file.read_bytes() for file in files) == log.ljust(3 * SEGMENT, b"\0")


def test_segments_are_named_as_postgresql_names_them() -> None:
    assert segment_name(1, 0x16ED740) == "000000010000000000000001"
    assert segment_name(0x1A, (3 << 32) + 0xFF000000) == "0000001A00000003000000FF"


def test_a_stretch_ends_where_log_is_missing(tmp_path: Path) -> None:
    blobs = open_folder(tmp_path)
    for start, length, minutes in ((SEGMENT, 10, 1), (SEGMENT + 5, 10, 2), (SEGMENT + 16, 10, 3)):
        keep_log(blobs, start, bytes(length), minutes)
    chunks = read_archive(blobs, SYSTEM).chunks[1]
    found = find_stretch(chunks, SEGMENT + 12)
    assert found == Stretch(SEGMENT, SEGMENT + 15, chunks[1].until)
    assert found.until > NOW
    assert find_stretch(chunks, SEGMENT + 15) is None
    assert find_stretch(chunks, 3) is None
    assert find_stretch(chunks[1:], SEGMENT + 12) is None  # a segment is read from its beginning


def test_a_chunk_under_another_key_is_refused(tmp_path: Path) -> None:
    blobs = open_folder(tmp_path)
    first, second = keep_log(blobs, 0, b"first"), keep_log(blobs, 5, b"other")
    assert unseal(blobs, first, [KEY]) == b"first"
    blobs.put(first, blobs.get(second))
    with pytest.raises(DamagedBackup, match="holds another object"):
        unseal(blobs, first, [KEY])
    blobs.put(first, blobs.get(second)[:-5])
    with pytest.raises(DamagedBackup, match="cut off or was changed"):
        unseal(blobs, first, [KEY])
    with pytest.raises(KeyRefused):
        unseal(blobs, second, [OTHER])
    blobs.delete(second)
    with pytest.raises(DamagedBackup, match="is missing"):
        unseal(blobs, second, [KEY])


def test_what_is_none_of_ours_is_left_out(tmp_path: Path) -> None:
    blobs = open_folder(tmp_path)
    keep_log(blobs, 0, b"log")
    for name in ("00000001/readme.txt", "00000001/x.part", "notes"):
        blobs.put(f"wal/{SYSTEM}/{name}", b"")
    blobs.put("wal/notes", b"")
    assert {system: len(each.chunks[1]) for system, each in read_archives(blobs).items()} == {SYSTEM: 1}


def test_a_history_says_where_each_timeline_ended() -> None:
    found = read_ancestry(
        3, "1\t0/5000000\tno recovery target specified\n\n2\t1/6000028\tbefore 2026-11-22\n"
    )
    assert found.holds(1, 0x5000000)
    assert not found.holds(1, 0x5000001)
    assert found.holds(2, (1 << 32) + 0x6000028)
    assert found.holds(3, 1 << 60)
    assert not found.holds(4, 0)


def test_segments_of_another_size_are_refused() -> None:
    check_segment_size(SEGMENT)
    with pytest.raises(BackupError, match="wal_segment_size is 1048576"):
        check_segment_size(1 << 20)
