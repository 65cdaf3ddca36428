"""Object store for what is too large for a table: by key, in a folder or in S3 and alike, through fsspec.

A key is relative, its parts joined by `/`; the place in the store is not kept in any table.
"""

import asyncio
import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import fsspec
from botocore.exceptions import BotoCoreError  # none of Python's own
from fsspec.asyn import sync
from fsspec.implementations.local import LocalFileSystem

from configs.settings import settings
from configs.settings.value_types import read_store

if TYPE_CHECKING:
    from pydantic import SecretStr

_KEY = re.compile(r"[\w-]+(?:\.[\w-]+)*(?:/[\w-]+(?:\.[\w-]+)*)*", re.ASCII)
# Seconds, of one call. The second is a belt: botocore's own time-outs do not count while a server that was asked
# whether it will take a body (Expect: 100-continue) says nothing.
_CONNECT, _LONGEST, _LONGEST_DELETE = 3, 15, 45
_TOGETHER = 500  # blobs of one call that deletes
_FULL = (errno.ENOSPC, errno.EDQUOT)


class NoBlob(LookupError):
    """Nothing is kept under that key (any more)."""


class StoreTrouble(StrEnum):
    """What a store in trouble does, in words that everybody may read: no address, no path."""

    AWAY = "takes nothing"
    FULL = "is full"
    REFUSED = "refuses our key"
    SILENT = "does not answer in time"


class StoreAway(RuntimeError):
    """The store refuses, is full or does not answer; the text says why, and which variable says where it is."""

    def __init__(self, text: str, trouble: StoreTrouble = StoreTrouble.AWAY) -> None:
        super().__init__(text)
        self.trouble = trouble


class BlobSize(NamedTuple):
    """Size of a blob in bytes, and the store's own checksum of it: S3's ETag, none on a disk."""

    size: int
    checksum: str | None


class Blobs:
    """A store of bytes by key. Each call may wait some seconds for a server, so none belongs on an event loop."""

    def __init__(
        self,
        files: fsspec.AbstractFileSystem,
        root: str,
        *,
        variable: str = "PROOFS_URL",
        longest: float | None = None,
    ) -> None:
        """Open a store whose address `variable` holds; one call waits `longest` seconds at most."""
        self._files, self._root = files, root.rstrip("/")
        self._variable, self._longest = variable, longest

    def put(self, key: str, data: bytes) -> None:
        """Keep bytes under a key, whole or not at all, on the disk of a folder; what stood there is replaced.

        Raises:
            StoreAway: they cannot be kept.
        """
        path = self._path(key)
        try:
            # a server keeps what came whole, a disk also what did not
            if isinstance(self._files, LocalFileSystem):
                with self._explained():
                    _write_file(Path(path), data)
            else:
                self._call("pipe_file", path, data)
        except FileNotFoundError as error:  # the bucket is not there
            raise self._away(error) from error

    def get(self, key: str) -> bytes:
        """Return what is kept under a key.

        Raises:
            NoBlob: nothing is.
            StoreAway: the store does not say.
        """
        try:
            return bytes(self._call("cat_file", self._path(key)))
        except FileNotFoundError:
            raise NoBlob(key) from None

    def names(self, key: str = "") -> list[str]:
        """Return the names right below a key, in order; none where nothing is.

        Raises:
            StoreAway: the store does not say.
        """
        with suppress(FileNotFoundError):
            found = self._call("ls", self._path(key) if key else self._root, detail=False)
            return sorted({str(path).rstrip("/").rpartition("/")[2] for path in found})
        return []

    def sizes(self, key: str) -> dict[str, BlobSize]:
        """Return the size of each blob below a key, by its name from there on, in order.

        Raises:
            StoreAway: the store does not say.
        """
        root = self._path(key)
        with suppress(FileNotFoundError):
            found = self._call("find", root, detail=True, seconds=_LONGEST_DELETE)
            return {
                path[len(root) + 1 :]: BlobSize(each["size"], (each.get("ETag") or "").strip('"') or None)
                for path, each in sorted(found.items())
            }
        return {}

    def delete_each(self, keys: Sequence[str]) -> None:
        """Delete blobs by key, many in one call; those that are not there are left out.

        Raises:
            StoreAway: the store refuses.
        """
        # To delete many in a folder stops at the first that is not there
        together = _TOGETHER if self._files.async_impl else 1
        for some in (keys[first : first + together] for first in range(0, len(keys), together)):
            with suppress(FileNotFoundError):
                self._call("rm", [self._path(key) for key in some], seconds=_LONGEST_DELETE)

    def delete(self, key: str) -> None:
        """Delete what is kept under a key and below it; nothing happens where nothing is.

        Raises:
            StoreAway: the store refuses.
        """
        with suppress(FileNotFoundError):
            self._call("rm", self._path(key), recursive=True, seconds=_LONGEST_DELETE)

    def _call(self, name: str, *given: Any, seconds: float | None = None, **how: Any) -> Any:
        """Ask the store, a server for so long at most: what was begun is cancelled then.

        Raises:
            FileNotFoundError: nothing is there.
            StoreAway: it is in trouble, or has no such bucket.
        """

        async def bounded() -> Any:
            async with asyncio.timeout(seconds or self._longest or _LONGEST):
                return await getattr(self._files, f"_{name}")(*given, **how)

        with self._explained():
            if self._files.async_impl:
                return sync(self._files.loop, bounded)
            return getattr(self._files, name)(*given, **how)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise what the store's library raises as StoreAway, except that nothing is there."""
        try:
            yield
        except FileNotFoundError as error:
            if _lacks_bucket(error):
                raise self._away(error) from error
            raise
        except (OSError, BotoCoreError) as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> StoreAway:
        said = f"{type(error).__name__}: {str(error) or 'no answer in time'}"
        trouble, todo = StoreTrouble.AWAY, ""
        if isinstance(error, PermissionError):
            trouble = StoreTrouble.REFUSED
            todo = ": give it a key that may read, write, list and delete there"
        elif isinstance(error, FileNotFoundError):
            todo = ": create it, or name another"
        elif "Timeout" in type(error).__name__:  # botocore's are none of Python's
            trouble = StoreTrouble.SILENT
            todo = ": raise BACKUP_CALL_SECONDS where its line is slow" if self._longest else ""
        elif isinstance(error, OSError) and error.errno in _FULL:
            trouble, todo = StoreTrouble.FULL, ": make room there"
        return StoreAway(f"the store of {self._variable} is in trouble: {said}{todo}", trouble)

    def _path(self, key: str) -> str:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key[:100]!r} is no key")
        return f"{self._root}/{key}"


def proof_blobs() -> Blobs:
    """Return where proofs are kept: PROOFS_URL, or a folder below STATE_DIR.

    Raises:
        StoreAway: fsspec knows no such store, or lacks a library for it; so do the three below.
    """
    now = settings()
    key = now.proofs_access_key_id, now.proofs_secret_access_key
    return _open_store("PROOFS_URL", now.proofs_url or _name_folder("proofs/kept"), key)


def export_blobs() -> Blobs:
    """Return where exports of personal data are kept: EXPORTS_URL, or a folder below STATE_DIR.

    It is no folder of the proofs' store: that one is listed in backups, and an export is to be gone after a day.
    """
    now = settings()
    key = now.exports_access_key_id, now.exports_secret_access_key
    return _open_store("EXPORTS_URL", now.exports_url or _name_folder("exports"), key)


def invoice_blobs() -> Blobs:
    """Return where the PDF files of invoices are kept: INVOICES_URL, or a folder below STATE_DIR."""
    now = settings()
    key = now.invoices_access_key_id, now.invoices_secret_access_key
    return _open_store("INVOICES_URL", now.invoices_url or _name_folder("invoices"), key)


def backup_blobs() -> Blobs:
    """Return where backups are kept: BACKUP_URL.

    Raises:
        configs.settings.SettingMissing: BACKUP_URL is not set.
    """
    now = settings()
    key = now.backup_access_key_id, now.backup_secret_access_key
    return _open_store("BACKUP_URL", now.require("backup_url"), key, now.backup_call_seconds)


def _name_folder(name: str) -> str:
    return str(settings().state_dir.resolve() / name)


@lru_cache(maxsize=5)
def _open_store(
    variable: str, address: str, key: tuple[str | None, "SecretStr | None"], longest: float | None = None
) -> Blobs:
    place, (name, secret) = read_store(address), key
    options: dict[str, Any] = {}
    if place.url.startswith("s3"):
        wait = {"connect_timeout": _CONNECT, "read_timeout": longest or _LONGEST}
        options = {
            "endpoint_url": place.endpoint,
            "key": name,
            "secret": secret.get_secret_value() if secret else None,
            "client_kwargs": {"region_name": place.region} if place.region else {},
            "config_kwargs": {**wait, "retries": {"max_attempts": 0}},
            "use_listings_cache": False,
        }
    try:
        files, root = fsspec.core.url_to_fs(place.url, skip_instance_cache=True, **options)
    except (ValueError, ImportError, OSError) as error:
        raise StoreAway(f"{variable} cannot be opened: {error}") from error
    files.retries = 1  # of s3fs: the callers retry later
    return Blobs(files, root, variable=variable, longest=longest)


def _write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, and onto the disk; one that was full has nothing more on it than before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(f"{path}.part")
    try:
        with part.open("wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)  # its names, too: fsync(2)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _lacks_bucket(error: FileNotFoundError) -> bool:
    """Whether S3 knows no such bucket; s3fs says the same of a key, and keeps what was said as the cause."""
    said = getattr(error.__cause__, "response", {})
    return bool(said.get("Error", {}).get("Code") == "NoSuchBucket")
