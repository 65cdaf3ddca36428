"""Plan of a restore: which base backup, which timelines, which log, so that one second of the past comes back."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from pyrage.x25519 import Identity

from configs.ground.object_store import Blobs
from deploy.backup import BackupError
from deploy.backup.database import format_lsn
from deploy.backup.manifest import Kind, Manifest, read_catalogue
from deploy.backup.wal_archive import (
    Ancestry,
    Archive,
    Chunk,
    find_stretch,
    read_ancestry,
    read_archive,
    segment_start,
    unseal,
)

# Recovery ends at the first commit after the wished instant: a log that ends there would not show that one.
_BEYOND = timedelta(minutes=2)


class Range(NamedTuple):
    """A time of which each second can be restored."""

    timeline: int
    begin: datetime
    end: datetime


class Plan(NamedTuple):
    """What a restore reads."""

    base: Manifest
    timeline: int
    log: list[tuple[int, list[Chunk]]]  # by timeline, the oldest first
    histories: dict[int, bytes]  # content of the history files, by timeline
    until: datetime  # end of the stored log
    to: datetime | None


def make_plan(
    blobs: Blobs,
    identities: Sequence[Identity],
    to: datetime | None = None,
    name: str | None = None,
    timeline: int | None = None,
) -> Plan:
    """Choose what to read for an instant, a base backup and a timeline; None is the newest.

    Raises:
        BackupError: the wish cannot be met; the text says what can.
        configs.ground.object_store.StoreAway: the store does not answer.
    """
    bases = read_catalogue(blobs, Kind.BASE).complete
    if not bases:
        raise BackupError("the store holds no complete base backup")
    system = (_find_named(bases, name) if name else bases[-1]).system
    archive = read_archive(blobs, system)
    if not archive.chunks:
        raise BackupError(
            f"the store holds no write-ahead log of cluster {system}: a base backup alone cannot be started;"
            " name one of another cluster by --base"
        )
    histories = {number: unseal(blobs, key, identities) for number, key in sorted(archive.histories.items())}
    timeline = timeline or max(archive.chunks)
    ancestry = _read_ancestry(timeline, histories)
    base = _choose_base([each for each in bases if each.system == system], ancestry, to, name)
    log, until = _choose_log(archive, ancestry, base, to)
    if to and to > until:
        raise BackupError(
            f"the log is stored up to {until:%Y-%m-%d %H:%M:%S} UTC: ask for that, or leave --to out"
        )
    return Plan(base, timeline, log, histories, until, to)


def find_ranges(bases: Sequence[Manifest], archive: Archive) -> list[Range]:
    """Return from when to when each second can be restored: one range for each stretch of log without a gap."""
    found: dict[tuple[int, int], Range] = {}
    for base in sorted(bases, key=lambda each: (each.timeline, each.finished_at)):
        stretch = find_stretch(archive.chunks.get(base.timeline, []), base.start_lsn)
        if base.system == archive.system and stretch and stretch.end >= base.stop_lsn:
            one = Range(base.timeline, base.finished_at, stretch.until)
            found.setdefault((base.timeline, stretch.end), one)
    return list(found.values())


def _read_ancestry(timeline: int, histories: dict[int, bytes]) -> Ancestry:
    if timeline == 1:
        return {1: None}
    if timeline not in histories:
        raise BackupError(f"the store holds no history of timeline {timeline}: name another by --timeline")
    return read_ancestry(timeline, histories[timeline].decode())


def _find_named(bases: Sequence[Manifest], name: str) -> Manifest:
    for each in bases:
        if each.name == name:
            return each
    raise BackupError(f"the store holds no complete base backup {name}: `list` shows them")


def _choose_base(
    bases: Sequence[Manifest], ancestry: Ancestry, to: datetime | None, name: str | None
) -> Manifest:
    if name:
        bases = [_find_named(bases, name)]
    fitting = [
        each
        for each in bases
        if each.timeline in ancestry and ((end := ancestry[each.timeline]) is None or each.stop_lsn <= end)
    ]
    if not fitting:
        raise BackupError("no base backup belongs to that timeline: name another by --timeline")
    early = [each for each in fitting if to is None or each.finished_at <= to]
    if not early:
        raise BackupError(f"nothing before {fitting[0].finished_at:%Y-%m-%d %H:%M:%S} UTC can be restored")
    return early[-1]


def _choose_log(
    archive: Archive, ancestry: Ancestry, base: Manifest, to: datetime | None
) -> tuple[list[tuple[int, list[Chunk]]], datetime]:
    """Return the chunks from the base on, without a gap, and until when they reach."""
    log: list[tuple[int, list[Chunk]]] = []
    start, until = base.start_lsn, base.finished_at
    for timeline, end in ancestry.items():
        if timeline < base.timeline:
            continue
        chunks = archive.chunks.get(timeline, [])
        stretch = find_stretch(chunks, start)
        # The segment in which a timeline ends is copied to the next one.
        needed = (
            segment_start(end) if end is not None else base.stop_lsn if timeline == base.timeline else start
        )
        if needed > segment_start(start) and (stretch is None or stretch.end < needed):
            found = stretch.end if stretch else start
            raise BackupError(
                f"log of timeline {timeline} is missing from {format_lsn(found)} on, needed up to {format_lsn(needed)}:"
                " name an earlier --to, or another --base"
            )
        if stretch:
            until = stretch.until if end is None else until
            inside = [each for each in chunks if stretch.start < each.end and each.start < stretch.end]
            log.append((timeline, _cut(inside, end, to)))
        start = end or start
    return log, until


def _cut(chunks: list[Chunk], end: int | None, to: datetime | None) -> list[Chunk]:
    """Leave out what lies behind the timeline's end or the wished instant."""
    if end is not None:
        return [each for each in chunks if each.start < end]
    if to is None:
        return chunks
    behind = [number for number, each in enumerate(chunks) if each.until > to + _BEYOND]
    return chunks[: behind[0] + 1] if behind else chunks
