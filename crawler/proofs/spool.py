"""The spool of proofs below STATE_DIR: from the spiders, which must not wait for the store, to the upload worker.

`waiting/` has entries of spiders, `stored/` those in the store without a screenshot, `tmp/` unfinished ones. An entry
is a folder with the files of its key. It appears and moves by a rename: after a kill it is complete or missing.
"""

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from configs.constants import Constant
from configs.proofs import BODY, META, PICTURE, Meta, pack
from configs.settings import settings

# How often what spiders left is looked for
PROOFS_SECONDS = Constant("PROOFS_SECONDS", 1.0)
# No proof is written where less room than this would be left on the disk: tables and queue need it more
_PROOFS_LEAVE_FREE_MB = Constant("PROOFS_LEAVE_FREE_MB", 500)

_TRIES, _COMING = "tries", "coming"
_PATIENCE = 30.0  # seconds to wait for the screenshot of the check itself
_MB = 1_000_000


class DiskFull(OSError):
    """The rest of the disk is reserved for the database and Redis."""


class Spool:
    """The folder `STATE_DIR/proofs`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._waiting, self._stored, self._tmp = (folder / name for name in ("waiting", "stored", "tmp"))

    def add(self, meta: Meta, body: bytes, *, coming: bool = False) -> None:
        """Add a proof to be stored; `coming`: its screenshot will be added.

        Raises:
            OSError: it cannot be written; DiskFull if too little room would be left.
        """
        page = {} if meta.refused else {BODY: pack(body)}
        told = {_COMING: b""} if coming else {}
        self._write(meta.key, page | told | {META: _json(meta)})

    def add_picture(self, key: str, picture: bytes) -> None:
        """Add the screenshot (PNG) of an earlier proof.

        Raises:
            OSError: it cannot be written.
        """
        self._write(key, {PICTURE: picture})

    def waiting(self) -> "list[SpoolEntry]":
        """Return the entries to be stored, the oldest first."""
        return list(_entries(self._waiting))

    def unpictured(self) -> "list[SpoolEntry]":
        """Return the stored entries without a present or coming screenshot, the oldest first."""
        return [entry for entry in _entries(self._stored) if not entry.waits_for_picture]

    def mark_stored(self, entry: "SpoolEntry") -> None:
        """Move an entry that is in the store: it waits for its screenshot."""
        self._stored.mkdir(parents=True, exist_ok=True)
        target = self._stored / entry.folder.name
        _remove(target)
        entry.folder.rename(target)

    def mark_pictured(self, entry: "SpoolEntry") -> None:
        """Remove an entry whose screenshot is in the store, too."""
        self.drop(entry)
        _remove(self._stored / entry.folder.name.partition("+")[0])

    def drop(self, entry: "SpoolEntry") -> None:
        """Remove an entry."""
        _remove(entry.folder)

    def forget_before(self, moment: datetime) -> "Forgotten":
        """Delete entries older than a moment, unfinished ones too; return their numbers."""
        return Forgotten(
            *(_forget_before(folder, moment) for folder in (self._waiting, self._stored, self._tmp))
        )

    def lacks_room(self) -> str | None:
        """Return why the spool takes no more entries: the rest of the disk is reserved. None if it does.

        Raises:
            OSError: the disk's usage cannot be read.
        """
        there = next(path for path in (self.folder, *self.folder.parents) if path.exists())
        free = shutil.disk_usage(there).free // _MB
        if free < (least := _PROOFS_LEAVE_FREE_MB()):
            return f"{free} MB are free in {self.folder}, PROOFS_LEAVE_FREE_MB wants {least} left"
        return None

    def _write(self, key: str, files: Mapping[str, bytes]) -> None:
        if lack := self.lacks_room():
            raise DiskFull(lack)
        made = self._tmp / uuid4().hex
        made.mkdir(parents=True)
        try:
            for name, data in files.items():
                (made / name).write_bytes(data)
            self._waiting.mkdir(exist_ok=True)
            made.rename(self._waiting / (key.replace("/", "-") + _part(files)))
        except BaseException:
            _remove(made)
            raise


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Numbers of deleted entries."""

    waiting: int  # proofs that were never stored
    stored: int  # stored proofs without a screenshot
    tmp: int  # unfinished entries


@dataclass(frozen=True, slots=True)
class SpoolEntry:
    """A proof in the spool, or the screenshot of an earlier one."""

    folder: Path

    @property
    def key(self) -> str:
        """Return the proof's key."""
        return self.folder.name.partition("+")[0].replace("-", "/")

    @property
    def files(self) -> dict[str, bytes]:
        """Return its files in the order of their upload: META, which completes the proof, is last.

        Raises:
            OSError: one cannot be read.
        """
        return {name: (self.folder / name).read_bytes() for name in (BODY, PICTURE, META) if self.has(name)}

    @property
    def only_picture(self) -> bool:
        """Whether it is the screenshot of an earlier proof."""
        return "+" in self.folder.name

    @property
    def left_at(self) -> float:
        """Return the time when it was added, in unix seconds."""
        return _changed(self.folder)

    @property
    def waits_for_picture(self) -> bool:
        """Whether the check may still add its screenshot."""
        return self.has(_COMING) and time.time() - _changed(self.folder / _COMING) < _PATIENCE

    def has(self, name: str) -> bool:
        """Whether it has a file."""
        return (self.folder / name).is_file()

    def write(self, name: str, data: bytes) -> None:
        """Add a file atomically.

        Raises:
            OSError: it cannot be written.
        """
        part = self.folder / f"{name}.part"
        part.write_bytes(data)
        part.rename(self.folder / name)

    def count_try(self) -> int:
        """Count one more try before it is made: a fatal page must not be tried for ever. Return the earlier number."""
        path = self.folder / _TRIES
        text = path.read_text() if path.is_file() else ""
        count = int(text) if text.isdecimal() else 0  # a full disk or a crash may have left it empty
        self.write(_TRIES, str(count + 1).encode())
        return count


def spool() -> Spool:
    """Return this machine's spool."""
    return Spool(settings().state_dir.resolve() / "proofs")


def _part(files: Mapping[str, bytes]) -> str:
    return "" if META in files else "+picture"


def _json(meta: Meta) -> bytes:
    return json.dumps(meta.model_dump(mode="json"), ensure_ascii=False, indent=1).encode()


def _entries(folder: Path) -> Iterator[SpoolEntry]:
    """Yield the entries of a folder, the oldest first."""
    if folder.is_dir():
        for path in sorted(folder.iterdir(), key=lambda path: (_changed(path), path.name)):
            yield SpoolEntry(path)


def _forget_before(folder: Path, moment: datetime) -> int:
    old = (
        [path for path in folder.iterdir() if _changed(path) < moment.timestamp()] if folder.is_dir() else []
    )
    for path in old:
        _remove(path)
    return len(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        path.unlink()


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
