"""Backups as objects of a store: a stream in parts of 16 MB, and a manifest with their hashes, which is written last.

A part is encrypted, says which one it is, and is stored whole or not at all; that the last ones are there, the end of
the gzip inside says. One large object would have to be sent again from its beginning after each failure, and what S3
holds of an upload that died is seen by no listing. A backup without a manifest is not complete. The manifest is not
encrypted, because the server prunes and checks by it; it says nothing of what the tables hold.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from threading import Event
from typing import Annotated, NamedTuple

import structlog
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)
from pyrage.x25519 import Identity, Recipient

from configs.ground.object_store import Blobs, NoBlob, StoreAway
from deploy.backup.database import format_lsn, parse_lsn
from deploy.backup.encryption import MAGIC, seal, unseal
from deploy.backup.errors import DamagedBackup, Stopped

MANIFEST = "manifest.json"
PART_BYTES = 1 << 24
_WAITS = (1.0, 5.0, 15.0, 30.0)  # seconds before a part is tried again
_NAME = re.compile(r"(\d{8}T\d{6}Z)-[0-9a-f]{6}", re.ASCII)

log = structlog.get_logger(__name__)


def _read_lsn(value: object) -> object:
    return parse_lsn(value) if isinstance(value, str) else value


Lsn = Annotated[int, BeforeValidator(_read_lsn), Field(ge=0), PlainSerializer(format_lsn)]


class Kind(StrEnum):
    """Kind of a backup. `migration`: a dump that a migration asked for. `proofs`: the list of the proofs' store."""

    BASE = "base"
    DUMP = "dump"
    MIGRATION = "migration"
    PROOFS = "proofs"


class StoredPart(BaseModel):
    """One object of a backup, encrypted as it is stored."""

    model_config = ConfigDict(frozen=True)

    bytes: int = Field(ge=0)
    sha256: str


class Manifest(BaseModel):
    """A complete backup. Who may write to the store may have changed it, so each value is checked."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Kind
    name: str
    started_at: AwareDatetime  # by the server's clock, as `finished_at`
    finished_at: AwareDatetime  # a base backup is consistent from then on
    system: str = Field(pattern=r"^[0-9]{1,20}$")  # identifier of the cluster
    timeline: int = Field(ge=1, lt=1 << 32)
    start_lsn: Lsn  # the log is needed from here on
    stop_lsn: Lsn  # and up to here at least
    server: int  # version of PostgreSQL: 180004
    revision: str | None  # newest migration
    database_bytes: int = Field(ge=0)  # of all databases, on the server's disk
    recipients: tuple[str, ...] = ()  # fingerprints of the public keys; none of older backups
    parts: tuple[StoredPart, ...]

    @property
    def folder(self) -> str:
        """Return the key below which its parts lie."""
        return f"{self.kind}/{self.name}"

    @property
    def bytes(self) -> int:
        """Return its size as stored."""
        return sum(part.bytes for part in self.parts)


class Catalogue(NamedTuple):
    """Backups of one kind in a store, the oldest first."""

    complete: list[Manifest]
    damaged: list[str]  # names; their manifest cannot be read
    unfinished: list[str]  # names; they have none (yet)


def make_name(at: datetime) -> str:
    """Return the name of a backup that begins now; two of one second do not share it."""
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def read_name(name: str) -> datetime | None:
    """Return when a backup of this name began; None for any other name."""
    found = _NAME.fullmatch(name)
    return datetime.strptime(found[1], "%Y%m%dT%H%M%S%z") if found else None


def part_key(folder: str, number: int) -> str:
    """Return the key of a part, from 0 on."""
    return f"{folder}/{number:06}.age"


def read_catalogue(blobs: Blobs, kind: Kind) -> Catalogue:
    """Read all manifests of a kind.

    Raises:
        configs.ground.object_store.StoreAway: the store does not answer.
    """
    found = Catalogue([], [], [])
    for name in filter(read_name, blobs.names(kind)):
        try:
            manifest = Manifest.model_validate_json(blobs.get(f"{kind}/{name}/{MANIFEST}"))
        except NoBlob:
            found.unfinished.append(name)
        except ValidationError:
            found.damaged.append(name)
        else:
            if (manifest.kind, manifest.name) == (kind, name):
                found.complete.append(manifest)
            else:
                found.damaged.append(name)
    found.complete.sort(key=lambda each: each.started_at)
    return found


def store_parts(
    blobs: Blobs, folder: str, blocks: Iterable[bytes], recipients: Sequence[Recipient], stopped: Event
) -> tuple[StoredPart, ...]:
    """Store a stream, and return its parts; one part is held in memory.

    Raises:
        StoreAway: the store took a part at none of several attempts.
        Stopped: the program is to end meanwhile.
    """
    parts: list[StoredPart] = []
    for data in _gather(blocks):
        key = part_key(folder, len(parts))
        sealed = seal(key, data, recipients)
        put_patiently(blobs, key, sealed, stopped)
        parts.append(StoredPart(bytes=len(sealed), sha256=hashlib.sha256(sealed).hexdigest()))
    return tuple(parts)


def _gather(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what the blocks hold, PART_BYTES and at most a block more at a time."""
    gathered = bytearray()
    for block in blocks:
        gathered += block
        if len(gathered) >= PART_BYTES:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


def put_patiently(blobs: Blobs, key: str, data: bytes, stopped: Event) -> None:
    """Store an object; a store that fails is tried again for a minute.

    Raises:
        StoreAway: it fails still.
        Stopped: the program is to end before it works.
    """
    for wait in _WAITS:
        try:
            blobs.put(key, data)
        except StoreAway as error:
            log.warning("a part is not stored, it is tried again", key=key, seconds=wait, because=str(error))
            if stopped.wait(wait):
                raise Stopped("the backup is stopped: it is made again when the service runs") from None
        else:
            return
    blobs.put(key, data)


def open_parts(blobs: Blobs, manifest: Manifest, identities: Sequence[Identity]) -> Iterator[bytes]:
    """Return what a backup's parts hold.

    Raises:
        DamagedBackup, StoreAway: as `read_parts`, or there are none.
        KeyRefused: none of the keys opens them.
    """
    if not manifest.parts:
        raise DamagedBackup(f"{manifest.folder} has no parts")
    for number, sealed in enumerate(read_parts(blobs, manifest)):
        yield unseal(part_key(manifest.folder, number), sealed, identities)


def read_parts(blobs: Blobs, manifest: Manifest) -> Iterator[bytes]:
    """Return a backup's parts as they are stored, each compared with the manifest.

    Raises:
        DamagedBackup: one is missing, or is not what was stored.
        StoreAway: the store does not answer.
    """
    for number, part in enumerate(manifest.parts):
        key = part_key(manifest.folder, number)
        try:
            data = blobs.get(key)
        except NoBlob:
            raise DamagedBackup(f"{key} is missing") from None
        if len(data) != part.bytes:
            raise DamagedBackup(f"{key} has {len(data)} bytes, {part.bytes} were stored")
        if hashlib.sha256(data).hexdigest() != part.sha256:
            raise DamagedBackup(f"{key} is not what was stored: its SHA-256 differs")
        if not data.startswith(MAGIC):
            raise DamagedBackup(f"{key} is not encrypted")
        yield data
