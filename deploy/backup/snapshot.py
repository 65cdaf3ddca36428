"""Making one backup: what PostgreSQL's tool writes is encrypted and stored while it is written, the manifest last."""

import hashlib
import json
import os
import select
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from subprocess import PIPE
from threading import Event
from typing import IO, NamedTuple

import structlog
from psycopg2.extensions import connection
from pyrage.x25519 import Recipient

from configs.ground.object_store import Blobs, NoBlob, StoreAway, proof_blobs
from configs.ground.proofs import list_days
from deploy.backup import BackupError, NotNow, status
from deploy.backup.database import (
    ServerState,
    format_lsn,
    hold_lock,
    read_revision,
    read_server,
    run_tool,
    tool_command,
    tool_environment,
)
from deploy.backup.encryption import encrypt_stream, fingerprints, read_blocks
from deploy.backup.manifest import MANIFEST, Kind, Manifest, make_name
from deploy.backup.object_stream import PartWriter, put_patiently
from deploy.backup.wal_archive import find_stretch, read_archive

_LOOK = 0.5  # seconds between two looks whether the program is to end
_BLOCK = 1 << 16

# To standard output, so no second copy is on the disk. Without the log, which is stored anyway: the server is not asked
# for log that it may have given up meanwhile. The checksums of the tar's last file are for pg_verifybackup.
_BASE = ("-D", "-", "-F", "tar", "-X", "none", "-c", "fast", "--compress=client-gzip:1", "--no-password")
_DUMP = ("-F", "custom", "-Z", "gzip:1", "--no-password")

log = structlog.get_logger(__name__)


def _list_proofs(blobs: Blobs, stopped: Event) -> Iterator[bytes]:
    for day in list_days(blobs):
        for name, (size, checksum) in blobs.sizes(day).items():
            _end_if(stopped)
            key = f"{day}/{name}"
            found = {"etag": checksum} if checksum else {"sha256": _hash(blobs, key)}
            yield json.dumps({"name": key, "bytes": size, **found}).encode() + b"\n"


def _hash(blobs: Blobs, key: str) -> str | None:
    """Return an object's hash; none where it was deleted meanwhile."""
    try:
        return hashlib.sha256(blobs.get(key)).hexdigest()
    except NoBlob:
        return None


def _pack(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Yield lines packed as gzip does."""
    packer = zlib.compressobj(wbits=31)
    for line in lines:
        if block := packer.compress(line):
            yield block
    yield packer.flush()


class Store(NamedTuple):
    """Where backups go, and who can read them."""

    blobs: Blobs
    recipients: Sequence[Recipient]


def take_backup(
    store: Store, kind: Kind, wait_for_log: Callable[[connection, int], None], stopped: Event
) -> Manifest:
    """Make one backup; `wait_for_log` waits until the log is stored up to a position.

    Raises:
        BackupError: it cannot be made, or is stopped; nothing of it counts.
        StoreAway: the store takes nothing.
        psycopg2.Error: the server does not answer.
    """
    with hold_lock(list(Kind).index(kind)) as sql:
        before, revision = read_server(sql), read_revision(sql)
        name = make_name(before.at)
        writer = PartWriter(store.blobs, f"{kind}/{name}", stopped)
        log.info("a backup begins", kind=str(kind), name=name)
        try:
            with _open_source(kind, stopped) as read:
                encrypt_stream(read, writer.write, store.recipients)
                writer.close()
            after = read_server(sql)
            if kind is Kind.BASE:
                wait_for_log(sql, after.lsn)
                _check_log(store.blobs, before, after)
            if (before.system, before.timeline) != (after.system, after.timeline):
                raise BackupError("another server answered at the end of the backup than at its beginning")  # noqa: TRY301
            manifest = Manifest(
                kind=kind, name=name, started_at=before.at, finished_at=after.at, system=before.system,
                timeline=before.timeline, start_lsn=before.lsn, stop_lsn=after.lsn, server=before.version,
                revision=revision, database_bytes=after.bytes, recipients=fingerprints(store.recipients),
                parts=tuple(writer.parts),
            )  # fmt: skip
            text = manifest.model_dump_json(indent=1).encode()
            put_patiently(store.blobs, f"{manifest.folder}/{MANIFEST}", text, stopped)
        except BaseException:
            with suppress(StoreAway):
                store.blobs.delete(f"{kind}/{name}")
            raise
        status.record_backup(sql, manifest)
        log.info("a backup is complete", kind=str(kind), name=name, bytes=manifest.bytes)
        return manifest


def _check_log(blobs: Blobs, before: ServerState, after: ServerState) -> None:
    """Refuse a base backup whose log is not stored from its beginning: the slot may be younger than that.

    Raises:
        BackupError: it is not.
    """
    chunks = read_archive(blobs, before.system).chunks.get(before.timeline, [])
    stretch = find_stretch(chunks, before.lsn)
    if stretch is None or stretch.end < after.lsn:
        raise BackupError(
            f"the log of this backup is not stored from {format_lsn(before.lsn)} on: it is made again later"
        )


@contextmanager
def _open_source(kind: Kind, stopped: Event) -> Iterator[Callable[[int], bytes]]:
    if kind is Kind.PROOFS:
        yield read_blocks(_pack(_list_proofs(proof_blobs(), stopped)))
    else:
        command = (
            tool_command("pg_basebackup", *_BASE) if kind is Kind.BASE else tool_command("pg_dump", *_DUMP)
        )
        with run_tool(command, stdout=PIPE, env=tool_environment()) as tool:
            assert tool.stdout  # noqa: S101 -- for the type: it is a pipe
            yield _read_until(tool.stdout, stopped)


def _read_until(pipe: IO[bytes], stopped: Event) -> Callable[[int], bytes]:
    """Return a reader that ends with the program, also where the tool is silent: the server may write for minutes."""

    def read_some(size: int) -> bytes:
        while not select.select([pipe], [], [], _LOOK)[0]:
            _end_if(stopped)
        _end_if(stopped)
        return os.read(pipe.fileno(), size if size > 0 else _BLOCK)

    return read_some


def _end_if(stopped: Event) -> None:
    if stopped.is_set():
        raise NotNow("the backup is stopped: it is made again when the service runs")
