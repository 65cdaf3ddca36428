"""A look at the store names what is missing, cut off, exchanged or not encrypted, and where log is missing."""

import hashlib
from pathlib import Path

import pytest

from configs.object_store import Blobs
from deploy.backup.manifest import MANIFEST, Kind, Manifest, StoredPart
from deploy.backup.store_check import find_troubles
from deploy.backup.wal_archive import SEGMENT
from tests.deploy.backup.samples import SYSTEM, describe, keep, keep_log, open_folder


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
    blobs.put(key, b"plain log")
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
