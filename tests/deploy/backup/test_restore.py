"""Restores: the base and the log that a wished second needs, and what is refused, each in one line with nothing left behind."""

import json
import os
import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from configs.ground.object_store import Blobs
from deploy.backup import BackupError
from deploy.backup.__main__ import main
from deploy.backup.manifest import MANIFEST, Kind, Manifest, read_catalogue
from deploy.backup.restore_plan import Range, find_ranges, make_plan
from deploy.backup.wal_archive import SEGMENT, history_key, read_archive, seal, segment_name, write_segments
from tests.deploy.backup.samples import (
    KEY,
    NOW,
    OTHER,
    SYSTEM,
    describe,
    keep,
    keep_log,
    open_folder,
    pack_base,
)
from tests.in_turn import in_turn
from tests.small_disk import small_disk

START = 2 * SEGMENT + 48


@pytest.fixture
def base(tmp_path: Path, settings_env: Callable[..., None]) -> Manifest:
    """Store a base backup and its log, and write the key beside the store."""
    blobs = open_folder(tmp_path / "store")
    keep_log(blobs, 2 * SEGMENT, bytes(200), minutes=30)
    (tmp_path / "key").write_text(str(KEY))
    settings_env(BACKUP_URL=tmp_path / "store")
    return keep(blobs, describe(0), pack_base(START))


def change(tmp_path: Path, base: Manifest, **fields: Any) -> None:
    file = tmp_path / "store" / base.folder / MANIFEST
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def restore(tmp_path: Path, *more: str, into: Path | None = None) -> None:
    main(["restore", "--into", str(into or tmp_path / "data"), "--key", str(tmp_path / "key"), *more])


def refusal(tmp_path: Path, *more: str, into: Path | None = None) -> str:
    with pytest.raises(SystemExit) as caught:
        restore(tmp_path, *more, into=into)
    text = str(caught.value)
    assert text.startswith("restore failed: ")
    assert "\n" not in text
    folder = into or tmp_path / "data"
    assert not folder.exists() or not list(folder.iterdir())
    return text


@pytest.mark.usefixtures("base")
def test_what_is_stored_is_restored_and_it_says_whether_it_was_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    restore(tmp_path)
    said = capsys.readouterr()
    assert "its files were not compared with the server's checksums" in said.out
    assert "pg_verifybackup of the server's version is not installed" in said.out + said.err
    log = (tmp_path / "data" / "restored_wal" / segment_name(1, START)).stat()
    assert log.st_size == SEGMENT
    last = (tmp_path / "data" / "recovery.signal").stat()
    assert last.st_mtime_ns >= log.st_mtime_ns, "half a log is none that PostgreSQL replays"


@pytest.mark.usefixtures("base")
def test_another_key_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(str(OTHER))
    assert "the key does not open base/" in refusal(tmp_path)


@pytest.mark.usefixtures("base")
@in_turn("instant", ["yesterday", "0001-01-01T00:00:00+10:00", "2026-11-22T09:00:03"])
def test_an_instant_that_is_none_is_refused_before_anything_is_read(
    tmp_path: Path, instant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        restore(tmp_path, "--to", instant)
    assert caught.value.code == 2
    assert "2026-11-22T09:00:03Z" in capsys.readouterr().err


@pytest.mark.usefixtures("base")
def test_an_instant_outside_the_range_is_refused_with_the_range(tmp_path: Path) -> None:
    assert "nothing before 2026-11-22 09:10:00 UTC" in refusal(tmp_path, "--to", "2026-11-22T09:00:00Z")
    assert "stored up to 2026-11-22 09:30:00 UTC" in refusal(tmp_path, "--to", "2026-11-22T09:30:01Z")
    name = "20000101T000000Z-000000"
    assert f"no complete base backup {name}" in refusal(tmp_path, "--base", name)


def test_a_disk_that_is_too_small_is_named_before_the_work_begins(tmp_path: Path, base: Manifest) -> None:
    change(tmp_path, base, database_bytes=1 << 50)
    text = refusal(tmp_path)
    assert "MB free, 1073741824 MB are needed: name a folder on a larger disk" in text


def test_a_disk_that_runs_full_on_the_way_is_one_line_and_left_empty(
    tmp_path: Path, base: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = open_folder(tmp_path / "store")
    change(tmp_path, base, stop_lsn=START + 64)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 40))
    keep_log(blobs, 2 * SEGMENT, os.urandom(6 << 20), minutes=31)
    with small_disk(tmp_path / "disk", 4) as disk:
        text = refusal(tmp_path, into=disk.path / "data")
        assert "No space left on device" in text
        large = keep(blobs, describe(0), pack_base(START, more={"filler": os.urandom(6 << 20)}))
        text = refusal(tmp_path, "--base", large.name, into=disk.path / "data")
        assert re.search(
            r"cannot be unpacked, with \d+ MB free tar ended with 2: tar: filler: Wrote only", text
        )


@in_turn(
    "packed",
    [
        {"start": START, "system": "1"},
        {"start": START, "timeline": 2},
        {"start": 9 * SEGMENT},
        {"start": SEGMENT},
        {"start": START, "more": {"backup_label": b""}},
    ],
)
def test_another_base_under_this_manifest_is_refused(
    tmp_path: Path, base: Manifest, packed: dict[str, Any]
) -> None:
    blobs = open_folder(tmp_path / "store")
    keep(blobs, base.model_copy(update={"parts": ()}), pack_base(**packed))
    assert "is another base backup than its manifest says: take another by --base" in refusal(tmp_path)


FORGED: list[dict[str, Any]] = [
    {"system": "../../etc"},
    {"system": SYSTEM + "/00000001"},
    {"timeline": 0},
    {"timeline": 1 << 40},
    {"started_at": "2026-11-22T09:00:00"},
    {"finished_at": "never"},
    {"start_lsn": "0/2/3"},
    {"stop_lsn": -5},
    {"database_bytes": -1},
    {"parts": [{"bytes": -1, "sha256": "x"}]},
    {"name": "../../x"},
    {"kind": "dump"},
]


def test_a_manifest_that_was_forged_is_damaged_and_the_next_older_one_is_taken(
    tmp_path: Path, base: Manifest
) -> None:
    blobs = open_folder(tmp_path / "store")
    made = {keep(blobs, describe(-0.01), pack_base(START)).name: fields for fields in FORGED}
    for newer in read_catalogue(blobs, Kind.BASE).complete:
        change(tmp_path, newer, **made.get(newer.name, {}))
    found = read_catalogue(blobs, Kind.BASE)
    assert found.complete == [base]
    assert [fields for name, fields in made.items() if name not in found.damaged] == []
    restore(tmp_path)


def test_a_manifest_of_nothing_is_refused(tmp_path: Path, base: Manifest) -> None:
    change(tmp_path, base, parts=[])
    assert f"{base.folder} cannot be decrypted" in refusal(tmp_path)


@pytest.mark.usefixtures("base")
def test_log_that_is_no_log_is_named(tmp_path: Path) -> None:
    blobs = open_folder(tmp_path / "store")
    key = keep_log(blobs, 2 * SEGMENT + 200, bytes(100), minutes=31)
    blobs.put(key, b"written by somebody")
    assert f"{key} cannot be decrypted" in refusal(tmp_path)
    blobs.put(key, b"")
    assert f"{key} cannot be decrypted" in refusal(tmp_path)


def test_of_log_that_was_written_twice_the_later_one_is_restored(tmp_path: Path) -> None:
    blobs = open_folder(tmp_path / "store")
    keep_log(blobs, 100, b"lost by the disk", minutes=1)
    keep_log(blobs, 0, b"x" * 110, minutes=2)
    write_segments(blobs, read_archive(blobs, SYSTEM).chunks[1], 1, [KEY], tmp_path)
    assert (tmp_path / segment_name(1, 0)).read_bytes()[:116] == b"x" * 110 + b"e disk"


def put_verifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, code: int) -> Path:
    """Put a program in pg_verifybackup's place that notes what it was given."""
    program = tmp_path / "bin" / "pg_verifybackup"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec echo "pg_verifybackup (PostgreSQL) {version}"\n'
        f'echo "$@" >> {tmp_path}/given\necho "checksum mismatch for file" >&2\nexit {code}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path / "given"


@pytest.mark.usefixtures("base")
def test_pg_verifybackup_of_the_servers_version_compares_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = put_verifier(tmp_path, monkeypatch, "18.4 (Debian 18.4-1.pgdg12+1)", 0)
    restore(tmp_path)
    assert given.read_text() == f"--no-parse-wal {tmp_path}/data\n"
    assert "its files were compared with the server's checksums" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "data")


@pytest.mark.usefixtures("base")
def test_what_pg_verifybackup_refuses_is_not_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_verifier(tmp_path, monkeypatch, "18.4", 1)
    assert "pg_verifybackup refuses the base backup: checksum mismatch" in refusal(tmp_path)


@pytest.mark.usefixtures("base")
def test_pg_verifybackup_of_another_version_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = put_verifier(tmp_path, monkeypatch, "15.14 (Debian 15.14-0+deb12u1)", 1)
    restore(tmp_path)
    assert not given.exists()


# Plans: the newest base before the wished second, on the right timeline, with all log that it needs

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
    plan = make_plan(blobs, [KEY])
    assert (NOW - plan.base.started_at).days == 1
    assert [(timeline, [chunk.start // SEGMENT for chunk in chunks]) for timeline, chunks in plan.log] == [
        (1, [4, 5, 6, 7])
    ]
    assert plan.until == NOW - HOUR


def test_a_second_is_reached_from_the_base_before_it_with_no_more_log_than_needed(blobs: Blobs) -> None:
    plan = make_plan(blobs, [KEY], to=NOW - 3 * HOUR - timedelta(minutes=30))
    assert [chunk.start // SEGMENT for chunk in plan.log[0][1]] == [4, 5]
    older = make_plan(blobs, [KEY], to=NOW - timedelta(days=1, hours=1))
    assert (NOW - older.base.started_at).days == 2


def test_log_that_is_missing_is_named(blobs: Blobs, tmp_path: Path) -> None:
    blobs.delete(read_archive(blobs, SYSTEM).chunks[1][2].key)
    with pytest.raises(
        BackupError, match=r"log of timeline 1 is missing from 0/\w+ on, needed up to 0/5000000"
    ):
        make_plan(blobs, [KEY])
    before = make_plan(blobs, [KEY], to=NOW - timedelta(days=1, hours=1))
    assert len(before.log[0][1]) == 1
    empty = open_folder(tmp_path / "empty")
    with pytest.raises(BackupError, match="no complete base backup"):
        make_plan(empty, [KEY])


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
    plan = make_plan(blobs, [KEY])
    assert plan.timeline == 2
    assert [(timeline, [chunk.start // SEGMENT for chunk in chunks]) for timeline, chunks in plan.log] == [
        (1, [4, 5]),
        (2, [5]),
    ]
    assert plan.until == NOW + timedelta(minutes=5)
    assert set(plan.histories) == {2}
    left = make_plan(blobs, [KEY], timeline=1)
    assert (left.timeline, len(left.log[0][1])) == (1, 4)


def test_a_base_of_what_a_restore_left_behind_is_not_taken(blobs: Blobs) -> None:
    branch(blobs, 4 * SEGMENT + 5)
    assert (NOW - make_plan(blobs, [KEY]).base.started_at).days == 2
    with pytest.raises(BackupError, match="no history of timeline 7"):
        make_plan(blobs, [KEY], timeline=7)
