"""Check of the store without the private key: everything is there, whole and encrypted, the log without a gap.

Only a restore proves that a backup can be restored; that is a test of its own.
"""

from collections.abc import Iterator, Sequence

from configs.object_store import Blobs, NoBlob
from deploy.backup.database import format_lsn
from deploy.backup.encryption import MAGIC
from deploy.backup.errors import DamagedBackup
from deploy.backup.manifest import Kind, Manifest, part_key, read_catalogue
from deploy.backup.object_stream import read_parts
from deploy.backup.wal_archive import Archive, find_stretch, read_archive


def find_troubles(blobs: Blobs, system: str) -> list[str]:
    """Return in words what is wrong; the newest base backup and dump are read whole.

    Raises:
        configs.object_store.StoreAway: the store does not answer.
    """
    troubles: list[str] = []
    bases: list[Manifest] = []
    for kind in Kind:
        found = read_catalogue(blobs, kind)
        troubles += [f"the manifest of {kind} {name} cannot be read" for name in found.damaged]
        troubles += [trouble for each in found.complete for trouble in _compare_sizes(blobs, each)]
        troubles += [trouble for each in found.complete[-1:] for trouble in _read_whole(blobs, each)]
        if kind is Kind.BASE:
            bases = [each for each in found.complete if each.system == system]
    troubles += _find_gaps(read_archive(blobs, system), bases)
    troubles += _look_at_newest_log(blobs, read_archive(blobs, system))
    return list(dict.fromkeys(troubles))


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
