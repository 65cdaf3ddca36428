"""A look at the store names what is missing, cut off, exchanged or not encrypted, and where log is missing."""

import hashlib
from pathlib import Path

import pytest

from configs.ground.object_store import Blobs
from deploy.backup import BackupError
from deploy.backup.encryption import fingerprints
from deploy.backup.manifest import MANIFEST, Kind, Manifest, StoredPart
from deploy.backup.store_check import find_troubles
from deploy.backup.wal_archive import (
    SEGMENT,
    Stretch,
    find_stretch,
    read_ancestry,
    read_archive,
    read_archives,
    segment_name,
    unseal,
    write_segments,
)
from tests.deploy.backup.samples import KEY, NOW, OTHER, SYSTEM, describe, keep, keep_log, open_folder


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    made = open_folder(tmp_path)
    keep_log(made, 2 * SEGMENT, bytes(200))
    keep_log(made, 2 * SEGMENT + 200, bytes(200), minutes=1)
    return made


@pytest.fixture
def base(blobs: Blobs) -> Manifest:
    keep(blobs, describe(2))
    return keep(blobs, describe(1))


@pytest.mark.usefixtures("base")
def test_a_store_that_is_whole_has_no_troubles(blobs: Blobs) -> None:
    keep(blobs, describe(3, kind=Kind.DUMP))
    assert find_troubles(blobs, SYSTEM) == []


def test_what_is_missing_cut_off_or_changed_is_named_once(
    blobs: Blobs, base: Manifest, tmp_path: Path
) -> None:
    older = keep(blobs, describe(3))  # it is not read, but of what size it is
    for folder in (older.folder, base.folder):
        file = tmp_path / folder / "000000.age"
        whole = file.read_bytes()
        file.write_bytes(whole[:-1])
        said = f"{folder}/000000.age has {len(whole) - 1} bytes, {len(whole)} were stored"
        assert find_troubles(blobs, SYSTEM) == [said]
        file.write_bytes(whole)
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert find_troubles(blobs, SYSTEM) == [
        f"{base.folder}/000000.age is not what was stored: its SHA-256 differs"
    ]
    file.unlink()
    assert find_troubles(blobs, SYSTEM) == [f"{base.folder}/000000.age is missing"]
    (tmp_path / base.folder / MANIFEST).write_text("{")
    assert find_troubles(blobs, SYSTEM) == [f"the manifest of base {base.name} cannot be read"]


def test_what_is_not_encrypted_is_named(blobs: Blobs, base: Manifest) -> None:
    plain = b"-- a dump for everybody"
    part = StoredPart(bytes=len(plain), sha256=hashlib.sha256(plain).hexdigest())
    blobs.put(f"{base.folder}/000000.age", plain)
    blobs.put(
        f"{base.folder}/{MANIFEST}", base.model_copy(update={"parts": (part,)}).model_dump_json().encode()
    )
    key = keep_log(blobs, 2 * SEGMENT + 400, b"log", minutes=2)
    blobs.put(key, b"plain log " * 20)
    assert find_troubles(blobs, SYSTEM) == [
        f"{base.folder}/000000.age is not encrypted",
        f"{key} is not encrypted",
    ]


@pytest.mark.usefixtures("base")
def test_missing_log_is_named_with_its_time(blobs: Blobs) -> None:
    keep_log(blobs, 2 * SEGMENT + 500, b"behind a gap", minutes=2)
    (trouble,) = find_troubles(blobs, SYSTEM)
    assert trouble == (
        "log is missing behind 0/2000190 from 2026-11-22 09:01 UTC on: nothing of that time can be restored"
    )
    assert find_troubles(blobs, "1") == []


def test_a_backup_of_which_nothing_is_left_is_named(blobs: Blobs, base: Manifest) -> None:
    made = {Kind.BASE: base.name, Kind.DUMP: "20261122T020000Z-0a1b2c"}
    keep(blobs, describe(kind=Kind.DUMP, name="20261122T020000Z-0a1b2c"))
    assert find_troubles(blobs, SYSTEM, made) == []
    blobs.delete(f"{base.folder}/{MANIFEST}")
    assert find_troubles(blobs, SYSTEM, made) == [f"{base.folder} was stored, and its manifest is missing"]
    blobs.delete(base.folder)
    blobs.delete("dump")
    assert find_troubles(blobs, SYSTEM, made) == [
        f"{base.folder} was stored, and is missing",
        "dump/20261122T020000Z-0a1b2c was stored, and is missing",
    ]


@pytest.mark.usefixtures("base")
def test_log_whose_end_is_missing_or_that_holds_nothing_is_named(blobs: Blobs) -> None:
    whole = 2 * SEGMENT + 400
    assert find_troubles(blobs, SYSTEM, stored_lsn=whole) == []
    assert find_troubles(blobs, SYSTEM, stored_lsn=whole + 1) == [
        "log is missing from 0/2000190 on: it was stored up to 0/2000191"
    ]
    key = keep_log(blobs, 2 * SEGMENT + 100, bytes(100), minutes=0.5)
    blobs.put(key, b"")
    assert find_troubles(blobs, SYSTEM, stored_lsn=whole) == [f"{key} is cut off: 0 bytes"]


def test_a_base_that_others_can_read_is_named(blobs: Blobs) -> None:
    made = keep(blobs, describe(1, recipients=fingerprints([OTHER.to_public()])))
    assert find_troubles(blobs, SYSTEM, recipients=made.recipients) == []
    assert find_troubles(blobs, SYSTEM, recipients=fingerprints([KEY.to_public()])) == [
        f"{made.folder} is encrypted to other keys than BACKUP_RECIPIENTS names"
    ]


# The stored log: chunks become PostgreSQL's files again, gaps are seen, and no object passes for another.


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
    with pytest.raises(BackupError, match="holds another object"):
        unseal(blobs, first, [KEY])
    blobs.put(first, blobs.get(second)[:-5])
    with pytest.raises(BackupError, match="cut off or was changed"):
        unseal(blobs, first, [KEY])
    with pytest.raises(BackupError, match="the key does not open"):
        unseal(blobs, second, [OTHER])
    blobs.delete(second)
    with pytest.raises(BackupError, match="is missing"):
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
    assert found == {1: 0x5000000, 2: (1 << 32) + 0x6000028, 3: None}
