"""Encryption of objects: whole or an error, whatever fails, and each error in words."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from deploy.backup import manifest
from deploy.backup.encryption import (
    MAGIC,
    make_key,
    read_identities,
    read_recipients,
    seal,
    unseal,
)
from deploy.backup.errors import DamagedBackup, KeyRefused
from deploy.backup.manifest import MANIFEST, Kind, open_parts, read_catalogue, read_parts, store_parts
from tests.deploy.backup.conftest import KEY, OTHER, describe, keep, open_folder
from tests.in_turn import in_turn

NAME = "base/x/000000.age"
DATA = bytes(range(256)) * 1000


def sealed() -> bytes:
    return seal(NAME, DATA, [KEY.to_public(), OTHER.to_public()])


def test_each_recipient_reads_what_was_encrypted() -> None:
    found = sealed()
    assert found.startswith(MAGIC)
    assert unseal(NAME, found, [KEY]) == unseal(NAME, found, [OTHER]) == DATA


@in_turn("kept", [0, 10, 100, 300, 65_536 + 300, -1])
def test_what_is_cut_off_is_an_error(kept: int) -> None:
    with pytest.raises(DamagedBackup, match=f"{NAME} cannot be decrypted, it is cut off or was changed"):
        unseal(NAME, sealed()[:kept], [KEY])


@in_turn("at", [5, 60, 250, 1000, 200_000, -1])
def test_what_was_changed_is_an_error(at: int) -> None:
    changed = bytearray(sealed())
    changed[at] ^= 1
    with pytest.raises((DamagedBackup, KeyRefused)):
        unseal(NAME, bytes(changed), [KEY])


def test_another_key_opens_nothing() -> None:
    _, public = make_key()
    assert public.startswith("age1")
    with pytest.raises(KeyRefused, match=f"does not open {NAME}: it was encrypted to others"):
        unseal(NAME, seal(NAME, b"", [OTHER.to_public()]), [KEY])


def test_a_source_that_fails_is_no_short_backup(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 5000
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        store_parts(open_folder(tmp_path), "base/x", broken(), [KEY.to_public()], Event())


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "holds no key"), ("# a comment\n\n", "holds no key"), ("secret\n", "no private key of age")],
)
def test_a_file_without_a_key_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "backup.key"
    file.write_text(text)
    with pytest.raises(KeyRefused, match=said):
        read_identities(file)
    with pytest.raises(KeyRefused, match="cannot be read"):
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
    with pytest.raises(KeyRefused, match=r"BACKUP_RECIPIENTS: age1.* is no public key of age"):
        read_recipients()


# Backups in parts: each is stored whole, and what is read again is what was stored.


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "PART_BYTES", 1000)


def test_a_stream_in_parts_comes_back_whole(tmp_path: Path) -> None:
    blobs = open_folder(tmp_path)
    made = keep(blobs, describe(), b"x" * 5500)
    assert [len(data) for data in open_parts(blobs, made, [KEY])] == [1000] * 5 + [500]
    assert read_catalogue(blobs, Kind.BASE).complete == [made]
    assert b"".join(open_parts(blobs, made, [KEY])) == b"x" * 5500


def test_parts_that_were_exchanged_are_named(tmp_path: Path) -> None:
    blobs = open_folder(tmp_path)
    made = keep(blobs, describe(), b"x" * 5000)
    first, second = (f"{made.folder}/{name}.age" for name in ("000000", "000001"))
    one, other = blobs.get(first), blobs.get(second)
    blobs.put(first, other)
    blobs.put(second, one)
    exchanged = made.model_copy(update={"parts": (made.parts[1], made.parts[0], *made.parts[2:])})
    with pytest.raises(DamagedBackup, match=f"{first} holds another object: {second}"):
        list(open_parts(blobs, exchanged, [KEY]))


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "is missing"), (b"short", r"has 5 bytes, \d+ were stored"), (b"y", "SHA-256 differs")],
)
def test_a_part_that_is_not_what_was_stored_is_named(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    blobs = open_folder(tmp_path)
    made = keep(blobs, describe(), b"x" * 5000)
    file = tmp_path / made.folder / "000002.age"
    size = file.stat().st_size
    file.write_bytes(content * (1 if len(content) > 1 else size)) if content else file.unlink()
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
