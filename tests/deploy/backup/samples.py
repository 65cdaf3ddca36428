"""Manifests, stores and log of tests, made without a server."""

import sys
import tarfile
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pyrage
from fsspec.implementations.local import LocalFileSystem
from pyrage.x25519 import Identity

from configs.ground.object_store import Blobs
from deploy.backup.database import format_lsn
from deploy.backup.encryption import encrypt_stream
from deploy.backup.manifest import MANIFEST, Kind, Manifest, make_name
from deploy.backup.object_stream import PartWriter
from deploy.backup.wal_archive import SEGMENT, chunk_key, seal, segment_name

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
SYSTEM = "7710898950391096437"
KEY: Identity = pyrage.x25519.Identity.generate()
OTHER: Identity = pyrage.x25519.Identity.generate()


def open_folder(path: Path) -> Blobs:
    return Blobs(LocalFileSystem(), str(path), variable="BACKUP_URL")


def describe(days: float = 0, **changes: Any) -> Manifest:
    """Return the manifest of a base backup that is so many days old and took ten minutes."""
    at = NOW - timedelta(days=days)
    fields = {
        "kind": Kind.BASE, "name": make_name(at), "started_at": at, "finished_at": at + timedelta(minutes=10),
        "system": SYSTEM, "timeline": 1, "start_lsn": 2 * SEGMENT + 40, "stop_lsn": 2 * SEGMENT + 80,
        "server": 180004, "revision": "0018", "database_bytes": 1000, "parts": (),
    }  # fmt: skip
    return Manifest(**(fields | changes))


def keep(blobs: Blobs, manifest: Manifest, data: bytes = b"tables") -> Manifest:
    """Store a backup whole, and return its manifest."""
    writer = PartWriter(blobs, manifest.folder)
    encrypt_stream(BytesIO(data).read, writer.write, [KEY.to_public()])
    writer.close()
    made = manifest.model_copy(update={"parts": tuple(writer.parts)})
    blobs.put(f"{made.folder}/{MANIFEST}", made.model_dump_json().encode())
    return made


def keep_log(blobs: Blobs, start: int, data: bytes, minutes: float = 0, timeline: int = 1) -> str:
    """Store a chunk of log that reaches to so many minutes after NOW; return its key."""
    key = chunk_key(SYSTEM, timeline, start, len(data), NOW + timedelta(minutes=minutes))
    blobs.put(key, seal(key, data, [KEY.to_public()]))
    return key


def pack_base(
    start: int, *, system: str = SYSTEM, timeline: int = 1, more: dict[str, bytes] | None = None
) -> bytes:
    """Return what pg_basebackup writes, with the two files that say which base backup it is."""
    label = (
        f"START WAL LOCATION: {format_lsn(start)} (file {segment_name(timeline, start)})\n"
        f"CHECKPOINT LOCATION: {format_lsn(start + 40)}\nSTART TIMELINE: {timeline}\n"
    )
    control = int(system).to_bytes(8, sys.byteorder) + bytes(500)
    files = {"backup_label": label.encode(), "global/pg_control": control} | (more or {})
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, BytesIO(data))
    return packed.getvalue()
