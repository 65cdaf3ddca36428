"""Archive of the write-ahead log: a stream of bytes per timeline, stored in chunks whose keys say what they hold.

Chunks of one timeline may overlap, where a stream began again; the log never changes, so both hold the same there.
A key is `wal/<system>/<timeline>/<start>-<length>-<until>.age`: positions in hexadecimal digits, `until` in
microseconds, by the server's clock.
"""

import hashlib
import re
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from pyrage.x25519 import Identity, Recipient

from configs.ground.object_store import Blobs, NoBlob
from deploy.backup import BackupError
from deploy.backup.database import parse_lsn
from deploy.backup.encryption import decrypt, encrypt

SEGMENT = 1 << 24  # bytes of one of PostgreSQL's files, unless initdb was told otherwise
_CHUNK = re.compile(r"([0-9a-f]{8})/([0-9a-f]{16})-([0-9a-f]{8})-(\d{16})\.age", re.ASCII)
_HISTORY = re.compile(r"([0-9a-f]{8})/history-[0-9a-f]{16}\.age", re.ASCII)
_EPOCH, _UNIT = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_HALF = ".part"  # of configs.ground.object_store, in a folder
_AT_ONCE = 4  # chunks that are fetched at a time; each takes three times its 16 MB of memory


class Chunk(NamedTuple):
    """A stretch of one timeline's log; by its position."""

    start: int
    length: int
    until: datetime  # everything up to then is in it or before it
    key: str
    stored: int  # bytes of its object

    @property
    def end(self) -> int:
        """Return the position behind it."""
        return self.start + self.length


class Stretch(NamedTuple):
    """A stretch of log without a gap."""

    start: int
    end: int
    until: datetime


class Archive(NamedTuple):
    """The stored log of one cluster."""

    system: str
    chunks: dict[int, list[Chunk]]  # by timeline, in order
    histories: dict[int, str]  # by timeline, the key
    halves: list[Chunk]  # what a killed program left of chunks in a folder; they count for nothing


# A timeline and those that it came from, the oldest first; each with the position where the next one began
Ancestry = dict[int, int | None]


def chunk_key(system: str, timeline: int, start: int, length: int, until: datetime) -> str:
    """Return the key of a chunk."""
    return f"wal/{system}/{timeline:08x}/{start:016x}-{length:08x}-{(until - _EPOCH) // _UNIT:016d}.age"


def history_key(system: str, timeline: int, content: bytes) -> str:
    """Return the key of a timeline's history file; another content has another key."""
    return f"wal/{system}/{timeline:08x}/history-{hashlib.sha256(content).hexdigest()[:16]}.age"


def seal(key: str, data: bytes, recipients: Sequence[Recipient]) -> bytes:
    """Pack and encrypt an object, its key with it, so that none can be exchanged for another."""
    return encrypt(key.encode() + b"\n" + zlib.compress(data, 1), recipients)


def unseal(blobs: Blobs, key: str, identities: Sequence[Identity]) -> bytes:
    """Return what an object holds.

    Raises:
        BackupError: it is missing, cut off, changed, or another one under this key; or no key opens it.
        configs.ground.object_store.StoreAway: the store does not answer.
    """
    try:
        sealed = blobs.get(key)
    except NoBlob:
        raise BackupError(f"{key} is missing") from None
    name, _, packed = decrypt(sealed, identities, key).partition(b"\n")
    if name != key.encode():
        raise BackupError(f"{key} holds another object: {name[:200].decode('ascii', 'replace')}")
    return zlib.decompress(packed)


def read_archives(blobs: Blobs) -> dict[str, Archive]:
    """List the stored log of every cluster.

    Raises:
        configs.ground.object_store.StoreAway: the store does not answer.
    """
    return {system: read_archive(blobs, system) for system in blobs.names("wal") if system.isdigit()}


def read_archive(blobs: Blobs, system: str) -> Archive:
    """List the stored log of one cluster; other objects are left out.

    Raises:
        configs.ground.object_store.StoreAway: the store does not answer.
    """
    archive = Archive(system, {}, {}, [])
    for name, (stored, _) in blobs.sizes(f"wal/{system}").items():
        key = f"wal/{system}/{name}"
        if found := _CHUNK.fullmatch(name.removesuffix(_HALF)):
            start, length = int(found[2], 16), int(found[3], 16)
            chunk = Chunk(start, length, _EPOCH + int(found[4]) * _UNIT, key, stored)
            is_half = name.endswith(_HALF)
            (archive.halves if is_half else archive.chunks.setdefault(int(found[1], 16), [])).append(chunk)
        elif found := _HISTORY.fullmatch(name):
            archive.histories[int(found[1], 16)] = key
    for chunks in archive.chunks.values():
        chunks.sort()
    return archive


def find_stretch(chunks: Iterable[Chunk], start: int) -> Stretch | None:
    """Return what is stored without a gap from a position on; none where it is not stored.

    Segments are whole files, so the log is needed from the beginning of the position's segment.
    """
    begin = segment_start(start)
    end, until = begin, None
    for chunk in chunks:
        if chunk.start > end:
            break
        if chunk.end > end:
            end, until = chunk.end, chunk.until
    return Stretch(begin, end, until) if until and end > start else None


def read_ancestry(timeline: int, history: str) -> Ancestry:
    """Read a timeline's history file: a line for each timeline before it, with the position where that was left.

    https://www.postgresql.org/docs/18/continuous-archiving.html#BACKUP-TIMELINES
    """
    ends: Ancestry = {}
    for line in history.splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            ends[int(words[0])] = parse_lsn(words[1])
    return ends | {timeline: None}


def write_segments(
    blobs: Blobs, chunks: Sequence[Chunk], timeline: int, identities: Sequence[Identity], folder: Path
) -> int:
    """Write chunks as PostgreSQL's segment files; return how many bytes of log were written.

    Where two chunks hold the same positions, the later one is written last: a server whose disk lost what it had
    confirmed wrote other log there.

    Raises:
        BackupError: as unseal(), or a chunk is not as long as its key says.
    """
    ordered = sorted(chunks, key=lambda chunk: chunk.until)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for first in range(0, len(ordered), _AT_ONCE):
            some = ordered[first : first + _AT_ONCE]
            found = threads.map(lambda chunk: unseal(blobs, chunk.key, identities), some)
            for chunk, data in zip(some, found, strict=True):
                if len(data) != chunk.length:
                    raise BackupError(f"{chunk.key} holds {len(data)} bytes of log")
                _write_log(folder, timeline, chunk.start, data)
    return sum(chunk.length for chunk in chunks)


def segment_start(lsn: int) -> int:
    """Return where the segment of a position begins."""
    return lsn - lsn % SEGMENT


def segment_name(timeline: int, lsn: int) -> str:
    """Return the file that holds a position: https://www.postgresql.org/docs/18/wal-internals.html."""
    number, per_log = lsn // SEGMENT, (1 << 32) // SEGMENT
    return f"{timeline:08X}{number // per_log:08X}{number % per_log:08X}"


def _write_log(folder: Path, timeline: int, start: int, data: bytes) -> None:
    while data:
        offset = start % SEGMENT
        piece, data = data[: SEGMENT - offset], data[SEGMENT - offset :]
        file = folder / segment_name(timeline, start)
        if not file.exists():
            with file.open("wb") as made:
                made.truncate(SEGMENT)  # PostgreSQL takes whole files only; zeros end the log
        with file.open("r+b") as opened:
            opened.seek(offset)
            opened.write(piece)
        start += len(piece)
