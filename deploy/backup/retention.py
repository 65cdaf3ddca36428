"""Retention: which backups and which log are kept. Nothing is dropped that the kept range needs.

Ages alone decide nothing: a clock that is set ahead would drop all.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from configs.ground.object_store import Blobs
from deploy.backup.manifest import MANIFEST, Catalogue, Kind, Manifest, read_catalogue, read_name
from deploy.backup.wal_archive import Archive, read_archives, segment_start

RANGE = timedelta(days=7)  # any second of it can be restored
_UNFINISHED = timedelta(days=2)  # what has no manifest by then will never have one

log = structlog.get_logger(__name__)


class Keep(NamedTuple):
    """What is kept of one kind: everything so young, and so many in any case."""

    age: timedelta
    number: int


KEPT = {
    Kind.BASE: Keep(timedelta(days=8), 8),
    Kind.DUMP: Keep(timedelta(weeks=4), 4),
    Kind.MIGRATION: Keep(timedelta(weeks=4), 4),
    Kind.PROOFS: Keep(timedelta(days=8), 8),
}


def choose_expired(complete: Sequence[Manifest], now: datetime) -> list[Manifest]:
    """Return the backups of one kind, given the oldest first, that are kept no longer."""
    if not complete:
        return []
    keep = KEPT[complete[0].kind]
    # The newest one that is as old as the range: without it, the range's first days could not be restored.
    reaching = [each for each in complete if each.finished_at <= now - RANGE][-1:]
    old = [each for each in complete[: -keep.number] if each.started_at < now - keep.age]
    return [each for each in old if each not in reaching]


def choose_needless_log(archive: Archive, bases: Sequence[Manifest]) -> list[str]:
    """Return the keys of a cluster's log that no base backup needs; without any of it, all is kept."""
    own = [each for each in bases if each.system == archive.system]
    if not own:
        return []
    start, timeline = min(segment_start(each.start_lsn) for each in own), min(each.timeline for each in own)
    keys = [
        chunk.key
        for number, chunks in archive.chunks.items()
        for chunk in chunks
        if chunk.end <= start or number < timeline
    ]
    return sorted(keys)


def prune(blobs: Blobs, now: datetime) -> None:
    """Delete what is kept no longer. The log goes by the bases that are left.

    Raises:
        configs.ground.object_store.StoreAway: the store does not answer; the next call goes on.
    """
    bases: list[Manifest] = []
    for kind in Kind:
        found = read_catalogue(blobs, kind)
        expired = choose_expired(found.complete, now)
        for each in expired:
            _delete(blobs, kind, each.name)
        for name in _choose_abandoned(found, now):
            _delete(blobs, kind, name)
        if kind is Kind.BASE:
            # A base whose manifest is damaged may be repaired by hand: its log is kept, too.
            bases = [] if found.damaged else [each for each in found.complete if each not in expired]
    for archive in read_archives(blobs).values() if bases else ():
        halves = [each.key for each in archive.halves if each.until < now - _UNFINISHED]
        needless = [*choose_needless_log(archive, bases), *halves]
        blobs.delete_each(needless)
        if needless:
            log.info("log is dropped", system=archive.system, chunks=len(needless))


def _choose_abandoned(found: Catalogue, now: datetime) -> list[str]:
    """Return the names without a manifest that are old, while newer ones are complete: what a dead process left."""
    newest = max((each.name for each in found.complete), default="")
    return [
        name
        for name in found.unfinished
        if name < newest and (begun := read_name(name)) and begun < now - _UNFINISHED
    ]


def _delete(blobs: Blobs, kind: Kind, name: str) -> None:
    """Delete a backup, its manifest first: half of it must not look complete."""
    blobs.delete_each([f"{kind}/{name}/{MANIFEST}"])
    blobs.delete(f"{kind}/{name}")
    log.info("a backup is dropped", kind=str(kind), name=name)
