"""A look at the store names what is missing, cut off, exchanged or not encrypted, and where log is missing."""

import hashlib
from pathlib import Path

import pytest

from configs.ground.object_store import Blobs
from deploy.backup.encryption import fingerprints
from deploy.backup.manifest import MANIFEST, Kind, Manifest, StoredPart
from deploy.backup.store_check import Expected, find_troubles
from deploy.backup.wal_archive import SEGMENT
from tests.deploy.backup.samples import KEY, OTHER, SYSTEM, describe, keep, keep_log, open_folder


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
    file = tmp_path / base.folder / "000000.age"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    assert find_troubles(blobs, SYSTEM) == [
        f"{base.folder}/000000.age has {len(whole) - 1} bytes, {len(whole)} were stored"
    ]
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
    expected = Expected(made={Kind.BASE: base.name, Kind.DUMP: "20261122T020000Z-0a1b2c"})
    keep(blobs, describe(kind=Kind.DUMP, name="20261122T020000Z-0a1b2c"))
    assert find_troubles(blobs, SYSTEM, expected) == []
    blobs.delete(f"{base.folder}/{MANIFEST}")
    assert find_troubles(blobs, SYSTEM, expected) == [
        f"{base.folder} was stored, and its manifest is missing"
    ]
    blobs.delete(base.folder)
    blobs.delete("dump")
    assert find_troubles(blobs, SYSTEM, expected) == [
        f"{base.folder} was stored, and is missing",
        "dump/20261122T020000Z-0a1b2c was stored, and is missing",
    ]


@pytest.mark.usefixtures("base")
def test_log_whose_end_is_missing_or_that_holds_nothing_is_named(blobs: Blobs) -> None:
    whole = Expected(stored_lsn=2 * SEGMENT + 400)
    assert find_troubles(blobs, SYSTEM, whole) == []
    assert find_troubles(blobs, SYSTEM, Expected(stored_lsn=2 * SEGMENT + 401)) == [
        "log is missing from 0/2000190 on: it was stored up to 0/2000191"
    ]
    key = keep_log(blobs, 2 * SEGMENT + 100, bytes(100), minutes=0.5)
    blobs.put(key, b"")
    assert find_troubles(blobs, SYSTEM, whole) == [f"{key} is cut off: 0 bytes"]


def test_a_base_that_others_can_read_is_named(blobs: Blobs) -> None:
    made = keep(blobs, describe(1, recipients=fingerprints([OTHER.to_public()])))
    assert find_troubles(blobs, SYSTEM, Expected(recipients=made.recipients)) == []
    assert find_troubles(blobs, SYSTEM, Expected(recipients=fingerprints([KEY.to_public()]))) == [
        f"{made.folder} is encrypted to other keys than BACKUP_RECIPIENTS names"
    ]
