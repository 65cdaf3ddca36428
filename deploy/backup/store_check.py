"""Check of the store without the private key: everything is there, whole and encrypted, the log without a gap.

Only a restore proves that a backup can be restored; that is a test of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from configs.ground.object_store import Blobs, NoBlob
from deploy.backup.database import format_lsn
from deploy.backup.encryption import MAGIC
from deploy.backup.errors import DamagedBackup
from deploy.backup.manifest import Catalogue, Kind, Manifest, part_key, read_catalogue
from deploy.backup.object_stream import read_parts
from deploy.backup.wal_archive import Archive, find_stretch, read_archive

_SMALLEST = 100  # bytes; age's header alone is longer


class Expected(NamedTuple):
    """State of the store by the database and the settings, to be compared with what it holds."""

    made: Mapping[Kind, str] = {}  # the newest backups' names
    stored_lsn: int = 0
    recipients: Sequence[str] = ()  # fingerprints of the public keys in use


def find_troubles(blobs: Blobs, system: str, expected: Expected = Expected()) -> list[str]:  # noqa: B008 -- frozen
    """Return in words what is wrong; the newest base backup and dump are read whole.

    Raises:
        configs.ground.object_store.StoreAway: the store does not answer.
    """
    troubles: list[str] = []
    bases: list[Manifest] = []
    for kind in Kind:
        found = read_catalogue(blobs, kind)
        troubles += [f"the manifest of {kind} {name} cannot be read" for name in found.damaged]
        troubles += [trouble for each in found.complete for trouble in _compare_sizes(blobs, each)]
        troubles += [trouble for each in found.complete[-1:] for trouble in _read_whole(blobs, each)]
        troubles += _find_lost(kind, found, expected)
        if kind is Kind.BASE:
            bases = [each for each in found.complete if each.system == system]
            troubles += _compare_recipients(bases[-1:], expected)
    archive = read_archive(blobs, system)
    troubles += _find_gaps(archive, bases)
    troubles += _find_lost_log(archive, expected)
    troubles += _look_at_newest_log(blobs, archive)
    return list(dict.fromkeys(troubles))


def _find_lost(kind: Kind, found: Catalogue, expected: Expected) -> Iterator[str]:
    """Name a backup of which nothing at all is left."""
    there = {each.name for each in found.complete} | {*found.damaged, *found.unfinished}
    name = expected.made.get(kind)
    if name and name not in there:
        yield f"{kind}/{name} was stored, and is missing"
    elif name in found.unfinished:
        yield f"{kind}/{name} was stored, and its manifest is missing"


def _compare_recipients(newest: Sequence[Manifest], expected: Expected) -> Iterator[str]:
    for each in newest:
        if each.recipients and expected.recipients and each.recipients != tuple(expected.recipients):
            yield f"{each.folder} is encrypted to other keys than BACKUP_RECIPIENTS names"


def _find_lost_log(archive: Archive, expected: Expected) -> Iterator[str]:
    """Name log at the end that is missing, and objects that hold nothing: only the private key opens the others."""
    chunks = [chunk for each in archive.chunks.values() for chunk in each]
    end = max((each.end for each in chunks), default=0)
    if end < expected.stored_lsn:
        yield f"log is missing from {format_lsn(end)} on: it was stored up to {format_lsn(expected.stored_lsn)}"
    yield from (f"{each.key} is cut off: {each.stored} bytes" for each in chunks if each.stored < _SMALLEST)


def _compare_sizes(blobs: Blobs, manifest: Manifest) -> Iterator[str]:
    there = blobs.sizes(manifest.folder)
    for number, part in enumerate(manifest.parts):
        name = part_key(manifest.folder, number).rpartition("/")[2]
        if name not in there:
            yield f"{manifest.folder}/{name} is missing"
        elif there[name].size != part.bytes:
            yield f"{manifest.folder}/{name} has {there[name].size} bytes, {part.bytes} were stored"


def _read_whole(blobs: Blobs, manifest: Manifest) -> Iterator[str]:
    try:
        for _ in read_parts(blobs, manifest):
            pass
    except DamagedBackup as error:
        yield str(error)


def _find_gaps(archive: Archive, bases: Sequence[Manifest]) -> Iterator[str]:
    """Name each gap in the log behind a base backup that is kept."""
    for base in bases:
        chunks = archive.chunks.get(base.timeline, [])
        stretch = find_stretch(chunks, base.start_lsn)
        end = stretch.end if stretch else base.start_lsn
        behind = next((each for each in chunks if each.start > end), None)
        if end < base.stop_lsn or behind:
            since = f" from {stretch.until:%Y-%m-%d %H:%M} UTC on" if stretch else ""
            yield f"log is missing behind {format_lsn(end)}{since}: nothing of that time can be restored"


def _look_at_newest_log(blobs: Blobs, archive: Archive) -> Iterator[str]:
    newest = [chunks[-1] for _, chunks in sorted(archive.chunks.items())[-1:]]
    for chunk in newest:
        try:
            if not blobs.get(chunk.key).startswith(MAGIC):
                yield f"{chunk.key} is not encrypted"
        except NoBlob:
            yield f"{chunk.key} is missing"
