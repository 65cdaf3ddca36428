"""Account of the proofs: each detection's page is in the store at the end, or died with the spider that held it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from api.models.slot import Detection
from deploy.chaos.journal import OpeningJournal

_HOLDS_A_PAGE = ("spider", "scrapyd")  # who dies with one: a spider, or its parent, which it does not outlive
_FULL = "fill-the-disk"
# From the commit until the page is in the spool: a thread of the spider writes it, behind others that came at once.
_IN_HAND = timedelta(seconds=5)
_CLOCKS = timedelta(seconds=1)  # between the moment that the row says and the commit itself


@dataclass(frozen=True)
class ClaimedProof:
    """A detection of a desk, committed at an instant, and the key of its proof (None: it has none)."""

    desk_id: str
    committed_at: datetime
    key: str | None


@dataclass
class Proven:
    """What became of every proof. `excused`: its spider died with it, or the disk was full."""

    kept: int = 0
    excused: list[ClaimedProof] = field(default_factory=list)
    lost: list[ClaimedProof] = field(default_factory=list)


def settle(journal: OpeningJournal, claims: Iterable[ClaimedProof], holds: Callable[[str], bool]) -> Proven:
    """Hold the store beside what the rows claim; `holds` tells whether a proof is there, whole."""
    proven = Proven()
    for claim in claims:
        if claim.key and holds(claim.key):
            proven.kept += 1
        else:
            (proven.excused if _excused(claim.committed_at, journal) else proven.lost).append(claim)
    return proven


def claims(engine: sa.Engine, journal: OpeningJournal) -> list[ClaimedProof]:
    """Return every detection, oldest first."""
    query = sa.select(Detection.desk_id, Detection.committed_at, Detection.proof_key)
    with engine.connect() as connection:
        rows = list(connection.execute(query.order_by(Detection.committed_at)))
    return [ClaimedProof(desk_id, journal.real_instant(at), key) for desk_id, at, key in rows]


def _excused(committed_at: datetime, journal: OpeningJournal) -> bool:
    """Whether a page may have been lost before it was in the spool."""
    begin, end = committed_at - _CLOCKS, committed_at + _IN_HAND
    died = any(kill.who.startswith(_HOLDS_A_PAGE) and begin <= kill.at <= end for kill in journal.kills)
    full = any(
        spell.fault == _FULL and spell.began_at <= end and begin <= (spell.ended_at or end)
        for spell in journal.spells
    )
    return died or full
