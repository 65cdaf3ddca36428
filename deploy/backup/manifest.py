"""Manifest of a backup: its parts with their hashes, and the positions between which it was made.

It is written last, so a backup without one is not complete. It is not encrypted, because the server prunes and checks
by it; it says nothing of what the tables hold.
"""

import re
import secrets
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)

from configs.ground.object_store import Blobs, NoBlob
from deploy.backup.database import format_lsn, parse_lsn

MANIFEST = "manifest.json"
_NAME = re.compile(r"(\d{8}T\d{6}Z)-[0-9a-f]{6}", re.ASCII)


_read_lsn = BeforeValidator(lambda value: parse_lsn(value) if isinstance(value, str) else value)
Lsn = Annotated[int, _read_lsn, Field(ge=0), PlainSerializer(format_lsn)]


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
