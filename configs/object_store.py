"""Object store for what is too large for a table: by key, in a folder or in S3 and alike, through fsspec.

A key is relative, its parts joined by `/`; the place in the store is not kept in any table.
"""

import asyncio
import re
import sys
from contextlib import suppress
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import fsspec
from fsspec.asyn import sync
from fsspec.implementations.local import LocalFileSystem

from configs.settings import settings

_KEY = re.compile(r"[\w-]+(?:\.[\w-]+)*(?:/[\w-]+(?:\.[\w-]+)*)*", re.ASCII)
# Seconds, of one call. The second is a belt: botocore's own time-outs do not count while a server that was asked
# whether it will take a body (Expect: 100-continue) says nothing.
_CONNECT, _LONGEST, _LONGEST_DELETE = 3, 15, 45


class NoBlob(LookupError):
    """Nothing is kept under that key (any more)."""


class StoreAway(RuntimeError):
    """The store refuses, is full or does not answer; the text says why, PROOFS_URL where it is."""


class Blobs:
    """A store of bytes by key. Each call may wait some seconds for a server, so none belongs on an event loop."""

    def __init__(self, files: fsspec.AbstractFileSystem, root: str) -> None:
        self._files, self._root = files, root.rstrip("/")

    def put(self, key: str, data: bytes) -> None:
        """Keep bytes under a key, whole or not at all; what stood there is replaced.

        Raises:
            StoreAway: they cannot be kept.
        """
        path = self._path(key)
        try:
            if isinstance(
                self._files, LocalFileSystem
            ):  # a server keeps what came whole, a disk also what did not
                self._call("makedirs", path.rpartition("/")[0], exist_ok=True)
                self._call("pipe_file", f"{path}.part", data)
                self._call("mv", f"{path}.part", path)
            else:
                self._call("pipe_file", path, data)
        except FileNotFoundError as error:  # the bucket is not there
            raise _away(error) from error

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
            async with asyncio.timeout(seconds or _LONGEST):
                return await getattr(self._files, f"_{name}")(*given, **how)

        try:
            if self._files.async_impl:
                return sync(self._files.loop, bounded)
            return getattr(self._files, name)(*given, **how)
        except FileNotFoundError as error:
            if _lacks_bucket(error):
                raise _away(error) from error
            raise
        except _troubles() as error:
            raise _away(error) from error

    def _path(self, key: str) -> str:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key[:100]!r} is no key")
        return f"{self._root}/{key}"


def proof_blobs() -> Blobs:
    """Return where proofs are kept: PROOFS_URL, or a folder below STATE_DIR.

    Raises:
        StoreAway: fsspec knows no such store, or lacks a library for it.
    """
    now = settings()
    secret = now.proofs_secret_access_key
    return _open_store(
        now.proofs_url or str(now.state_dir.resolve() / "proofs" / "kept"),
        now.proofs_endpoint_url,
        now.proofs_region,
        now.proofs_access_key_id,
        secret.get_secret_value() if secret else None,
    )


@lru_cache(maxsize=1)
def _open_store(
    url: str, endpoint: str | None, region: str | None, key: str | None, secret: str | None
) -> Blobs:
    options: dict[str, Any] = {}
    if urlsplit(url).scheme in ("s3", "s3a"):
        options = {
            "endpoint_url": endpoint,
            "key": key,
            "secret": secret,
            "client_kwargs": {"region_name": region} if region else {},
            "config_kwargs": {"connect_timeout": _CONNECT, "retries": {"max_attempts": 0}},
            "use_listings_cache": False,
        }  # fmt: skip
    try:
        files, root = fsspec.core.url_to_fs(url, skip_instance_cache=True, **options)
    except (ValueError, ImportError, OSError) as error:
        raise StoreAway(f"PROOFS_URL cannot be opened: {error}") from error
    files.retries = 1  # of s3fs: the callers retry later
    return Blobs(files, root)


def _troubles() -> tuple[type[Exception], ...]:
    """Return what a store's trouble is raised as; botocore's own errors are none of Python's."""
    botocore = sys.modules.get("botocore.exceptions")
    return (OSError, botocore.BotoCoreError) if botocore else (OSError,)


def _lacks_bucket(error: FileNotFoundError) -> bool:
    """Whether S3 knows no such bucket; s3fs says the same of a key, and keeps what was said as the cause."""
    said = getattr(error.__cause__, "response", {})
    return bool(said.get("Error", {}).get("Code") == "NoSuchBucket")


def _away(error: Exception) -> StoreAway:
    said = f"{type(error).__name__}: {error}" if str(error) else f"{type(error).__name__}: no answer in time"
    todo = ""
    if isinstance(error, PermissionError):
        todo = ": give it a key that may read, write, list and delete there"
    elif isinstance(error, FileNotFoundError) and _lacks_bucket(error):
        todo = ": create it, or name another"
    return StoreAway(f"the store of proofs (PROOFS_URL) is in trouble: {said}{todo}")
