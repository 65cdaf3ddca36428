"""Streams in parts: an encrypted stream is cut into objects of 16 MB, each stored whole or not at all.

One large object would have to be sent again from its beginning after each failure, and what S3 holds of an upload that
died is seen by no listing.
"""

import hashlib
from collections.abc import Iterator
from threading import Event

import structlog

from configs.ground.object_store import Blobs, NoBlob, StoreAway
from deploy.backup import BackupError, NotNow
from deploy.backup.encryption import MAGIC
from deploy.backup.manifest import Manifest, StoredPart, part_key

PART_BYTES = 1 << 24
_WAITS = (1.0, 5.0, 15.0, 30.0)  # seconds before a part is tried again

log = structlog.get_logger(__name__)


class PartWriter:
    """Takes a stream's bytes and stores them in parts; holds one part in memory."""

    def __init__(self, blobs: Blobs, folder: str, stopped: Event | None = None) -> None:
        self._blobs, self._folder, self._stopped = blobs, folder, stopped or Event()
        self._buffer = bytearray()
        self.parts: list[StoredPart] = []

    def write(self, data: bytes) -> None:
        """Take some bytes.

        Raises:
            StoreAway: the store took a part at none of several attempts.
            NotNow: the program is to end meanwhile.
        """
        self._buffer += data
        while len(self._buffer) >= PART_BYTES:
            self._store(bytes(self._buffer[:PART_BYTES]))
            del self._buffer[:PART_BYTES]

    def close(self) -> None:
        """Store the last part.

        Raises:
            StoreAway, NotNow: as `write`.
        """
        if self._buffer:
            self._store(bytes(self._buffer))
            self._buffer.clear()

    def _store(self, data: bytes) -> None:
        put_patiently(self._blobs, part_key(self._folder, len(self.parts)), data, self._stopped)
        self.parts.append(StoredPart(bytes=len(data), sha256=hashlib.sha256(data).hexdigest()))


def put_patiently(blobs: Blobs, key: str, data: bytes, stopped: Event) -> None:
    """Store an object; a store that fails is tried again for a minute.

    Raises:
        StoreAway: it fails still.
        NotNow: the program is to end before it works.
    """
    for wait in _WAITS:
        try:
            blobs.put(key, data)
        except StoreAway as error:
            log.warning("a part is not stored, it is tried again", key=key, seconds=wait, because=str(error))
            if stopped.wait(wait):
                raise NotNow("the backup is stopped: it is made again when the service runs") from None
        else:
            return
    blobs.put(key, data)


def read_parts(blobs: Blobs, manifest: Manifest) -> Iterator[bytes]:
    """Return a backup's parts as they are stored, each compared with the manifest.

    Raises:
        BackupError: one is missing, or is not what was stored.
        StoreAway: the store does not answer.
    """
    for number, part in enumerate(manifest.parts):
        key = part_key(manifest.folder, number)
        try:
            data = blobs.get(key)
        except NoBlob:
            raise BackupError(f"{key} is missing") from None
        if len(data) != part.bytes:
            raise BackupError(f"{key} has {len(data)} bytes, {part.bytes} were stored")
        if hashlib.sha256(data).hexdigest() != part.sha256:
            raise BackupError(f"{key} is not what was stored: its SHA-256 differs")
        if not number and not data.startswith(MAGIC):
            raise BackupError(f"{key} is not encrypted")
        yield data
