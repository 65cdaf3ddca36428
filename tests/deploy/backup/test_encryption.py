"""Encryption as streams: whole or an error, whatever fails, and each error in words."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from deploy.backup import BackupError, object_stream
from deploy.backup.encryption import (
    MAGIC,
    decrypt_stream,
    encrypt_stream,
    make_key,
    read_identities,
    read_recipients,
)
from deploy.backup.manifest import MANIFEST, Kind, read_catalogue
from deploy.backup.object_stream import read_parts
from tests.deploy.backup.samples import KEY, OTHER, describe, keep, open_folder
from tests.in_turn import in_turn

DATA = bytes(range(256)) * 1000


def encrypted(data: bytes = DATA) -> bytes:
    found = bytearray()
    encrypt_stream(BytesIO(data).read, found.extend, [KEY.to_public(), OTHER.to_public()])
    return bytes(found)


def decrypted(data: bytes, key: object = KEY, block: int = 70_001) -> bytes:
    found = bytearray()
    blocks = (data[at : at + block] for at in range(0, len(data), block))
    decrypt_stream(blocks, found.extend, [key], "base/x")
    return bytes(found)


def test_each_recipient_reads_what_was_encrypted() -> None:
    sealed = encrypted()
    assert sealed.startswith(MAGIC)
    assert decrypted(sealed) == decrypted(sealed, OTHER, block=5) == DATA


@in_turn("kept", [0, 10, 100, 300, 65_536 + 300, -1])
def test_what_is_cut_off_is_an_error(kept: int) -> None:
    with pytest.raises(BackupError, match="base/x cannot be decrypted, it is cut off or was changed"):
        decrypted(encrypted()[:kept])


@in_turn("at", [5, 60, 250, 1000, 200_000, -1])
def test_what_was_changed_is_an_error(at: int) -> None:
    changed = bytearray(encrypted())
    changed[at] ^= 1
    with pytest.raises(BackupError):
        decrypted(bytes(changed))


@in_turn("size", [10, 1_000_000])
def test_a_store_that_fails_at_the_last_write_is_an_error_too(size: int) -> None:
    def full(_: bytes) -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        encrypt_stream(BytesIO(bytes(size)).read, full, [KEY.to_public()])


def test_a_source_that_fails_is_no_short_backup() -> None:
    def broken(_: int) -> bytes:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        encrypt_stream(broken, bytearray().extend, [KEY.to_public()])


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "holds no key"), ("# a comment\n\n", "holds no key"), ("secret\n", "no private key of age")],
)
def test_a_file_without_a_key_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "backup.key"
    file.write_text(text)
    with pytest.raises(BackupError, match=said):
        read_identities(file)
    with pytest.raises(BackupError, match="cannot be read"):
        read_identities(tmp_path / "none")


def test_a_key_that_was_drawn_fits(tmp_path: Path, settings_env: Callable[..., None]) -> None:
    private, public = make_key()
    (tmp_path / "backup.key").write_text(f"# public key: {public}\n{private}\n")
    settings_env(BACKUP_RECIPIENTS=f"{public}, {KEY.to_public()}")
    (identity,) = read_identities(tmp_path / "backup.key")
    assert [str(each) for each in read_recipients()] == [str(identity.to_public()), str(KEY.to_public())]


def test_a_recipient_with_a_slip_is_named(settings_env: Callable[..., None]) -> None:
    public = str(KEY.to_public())
    settings_env(BACKUP_RECIPIENTS=public[:-1] + ("q" if public[-1] != "q" else "p"))
    with pytest.raises(BackupError, match=r"BACKUP_RECIPIENTS: age1.* is no public key of age"):
        read_recipients()


# Backups in parts: each is stored whole, and what is read again is what was stored.


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
    with pytest.raises(BackupError, match=f"000002.age {said}|000002.age.*{said}"):
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
