"""Check of the store without the private key: everything is there, whole and encrypted, the log without a gap.

Only a restore proves that a backup can be restored; that is a test of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from configs.ground.object_store import Blobs, NoBlob
from deploy.backup import BackupError
from deploy.backup.database import format_lsn
from deploy.backup.encryption import MAGIC
from deploy.backup.manifest import Catalogue, Kind, Manifest, part_key, read_catalogue
from deploy.backup.object_stream import read_parts
from deploy.backup.wal_archive import Archive, find_stretch, read_archive

_SMALLEST = 100  # bytes; age's header alone is longer


def find_troubles(
    blobs: Blobs,
    system: str,
    made: Mapping[Kind, str] = MappingProxyType({}),
    stored_lsn: int = 0,
    recipients: Sequence[str] = (),
) -> list[str]:
    """Return in words what is wrong; the newest base backup and dump are read whole.

    `made` has the newest backups' names, `stored_lsn` where the log ends, both by the database; `recipients` are
    fingerprints of the public keys in use.

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
        troubles += _find_lost(kind, found, made.get(kind))
        if kind is Kind.BASE:
            bases = [each for each in found.complete if each.system == system]
            troubles += _compare_recipients(bases[-1:], recipients)
    archive = read_archive(blobs, system)
    troubles += _find_gaps(archive, bases)
    troubles += _find_lost_log(archive, stored_lsn)
    troubles += _look_at_newest_log(blobs, archive)
    return list(dict.fromkeys(troubles))


def _find_lost(kind: Kind, found: Catalogue, name: str | None) -> Iterator[str]:
    """Name a backup of which nothing at all is left."""
    there = {each.name for each in found.complete} | {*found.damaged, *found.unfinished}
    if name and name not in there:
        yield f"{kind}/{name} was stored, and is missing"
    elif name in found.unfinished:
        yield f"{kind}/{name} was stored, and its manifest is missing"


def _compare_recipients(newest: Sequence[Manifest], recipients: Sequence[str]) -> Iterator[str]:
    for each in newest:
        if each.recipients and recipients and each.recipients != tuple(recipients):
            yield f"{each.folder} is encrypted to other keys than BACKUP_RECIPIENTS names"


def _find_lost_log(archive: Archive, stored: int) -> Iterator[str]:
    """Name log at the end that is missing, and objects that hold nothing: only the private key opens the others."""
    chunks = [chunk for each in archive.chunks.values() for chunk in each]
    end = max((each.end for each in chunks), default=0)
    if end < stored:
        yield f"log is missing from {format_lsn(end)} on: it was stored up to {format_lsn(stored)}"
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
    except BackupError as error:
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
