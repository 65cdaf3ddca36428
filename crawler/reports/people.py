"""People who report, as judgement knows them: when they registered, whether they are trusted, who met whom."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import write_array
from api.models.report import TRUST_LASTS, TRUSTED_LOOKS
from crawler.reports.judgement import Look, Pair, Person

PAIRED_FOR = timedelta(days=7)  # in which the same two people corroborate each other once

# Operators are trusted, those whom they named, and who saw openings that others saw too.
_PEOPLE = sa.text("""
SELECT u.id, u.created_at, u.registered_from, r.ended_at IS NULL AND (u.role IN ('support', 'admin') OR (
    (r.named_at IS NOT NULL OR v.looks >= :looks)
    AND greatest(v.last, CAST(r.named_at AS date)) > CAST(:now AS date) - CAST(:days AS int))) AS is_trusted
FROM users u LEFT JOIN reporters r ON r.user_id = u.id
CROSS JOIN LATERAL (SELECT count(*) AS looks, max(w.vouched_on) AS last FROM vouches w WHERE w.user_id = u.id) v
WHERE u.id = ANY(CAST(:ids AS uuid[])) AND r.ended_at IS NULL
""")
_PAIRS = sa.text("""
SELECT a.user_id, b.user_id FROM reports a JOIN reports b ON b.id = a.corroborates_id
WHERE a.user_id = ANY(CAST(:ids AS uuid[])) AND b.user_id = ANY(CAST(:ids AS uuid[])) AND a.seen_at > :since
""")
# Each person's last look of each kind: earlier ones say no more.
_LOOKS = sa.text("""
SELECT DISTINCT ON (user_id, kind) id, user_id, seen_at, kind, networks, is_trusted FROM reports
WHERE desk_id = :desk AND state = 'counted' AND seen_at >= :since AND user_id IS NOT NULL
ORDER BY user_id, kind, seen_at DESC
""")


def read_people(session: Session, ids: Collection[UUID], now: datetime) -> dict[UUID, Person]:
    """Return by id who may report; those whose reports an operator ended are left out."""
    given = {"ids": write_array(ids), "now": now, "looks": TRUSTED_LOOKS, "days": TRUST_LASTS.days}
    rows = session.execute(_PEOPLE, given)
    return {
        row.id: Person(row.id, row.created_at, frozenset(map(bytes, row.registered_from)), row.is_trusted)
        for row in rows
    }


def read_pairs(session: Session, ids: Collection[UUID], now: datetime) -> set[Pair]:
    """Return who of these people corroborated each other lately."""
    given = {"ids": write_array(ids), "since": now - PAIRED_FOR}
    return {Pair(row) for row in session.execute(_PAIRS, given)}


def read_looks(session: Session, desk_id: str, since: datetime, now: datetime) -> list[Look]:
    """Return the looks at a desk that counted since then, the earliest first; trust as it was then."""
    rows = session.execute(_LOOKS, {"desk": desk_id, "since": since}).all()
    people = read_people(session, {row.user_id for row in rows}, now)
    looks = [
        Look(
            row.id, people[row.user_id]._replace(is_trusted=row.is_trusted), row.seen_at, row.kind == "slots",
            frozenset(map(bytes, row.networks)),
        )
        for row in rows
        if row.user_id in people
    ]  # fmt: skip
    return sorted(looks, key=lambda each: each.at)
