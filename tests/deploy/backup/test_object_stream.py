"""Backups in parts: each is stored whole, and what is read again is what was stored."""

from pathlib import Path

import pytest

from deploy.backup import object_stream
from deploy.backup.encryption import decrypt_stream
from deploy.backup.errors import DamagedBackup
from deploy.backup.manifest import MANIFEST, Kind, read_catalogue
from deploy.backup.object_stream import read_parts
from tests.deploy.backup.samples import KEY, describe, keep, open_folder


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_stream, "PART_BYTES", 1000)


def test_a_stream_in_parts_comes_back_whole(tmp_path: Path) -> None:
    blobs = open_folder(tmp_path)
    made = keep(blobs, describe(), b"x" * 5000)
    assert [part.bytes for part in made.parts[:-1]] == [1000] * 5
    assert read_catalogue(blobs, Kind.BASE).complete == [made]
    found = bytearray()
    decrypt_stream(read_parts(blobs, made), found.extend, [KEY], "base")
    assert found == b"x" * 5000


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "is missing"), (b"short", "has 5 bytes, 1000 were stored"), (b"y" * 1000, "SHA-256 differs")],
)
def test_a_part_that_is_not_what_was_stored_is_named(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    blobs = open_folder(tmp_path)
    made = keep(blobs, describe(), b"x" * 5000)
    file = tmp_path / made.folder / "000002.age"
    file.write_bytes(content) if content else file.unlink()
    with pytest.raises(DamagedBackup, match=f"000002.age {said}|000002.age.*{said}"):
        list(read_parts(blobs, made))


def test_without_a_manifest_or_with_a_foreign_one_nothing_is_complete(tmp_path: Path) -> None:
    blobs = open_folder(tmp_path)
    first, second, third = (keep(blobs, describe(days)) for days in (3, 2, 1))
    (tmp_path / first.folder / MANIFEST).unlink()
    (tmp_path / second.folder / MANIFEST).write_text("{}")
    (tmp_path / "base" / "notes.txt").touch()
    found = read_catalogue(blobs, Kind.BASE)
    assert (found.complete, found.damaged, found.unfinished) == ([third], [second.name], [first.name])
    (tmp_path / third.folder / MANIFEST).write_text(first.model_dump_json())
    assert read_catalogue(blobs, Kind.BASE).damaged == [second.name, third.name]
