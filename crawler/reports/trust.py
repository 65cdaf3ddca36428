"""Trust of people who look, at openings that a check, an operator or another trusted person saw too, and their pairs.

A person gets it once a day at most, by a look that no message of ours led to: who presses as told shows nothing.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from api.models.base import is_any_of
from api.models.report import Report, ReportState, read_trust
from api.models.user import User
from crawler.reports.judgement import Pair, Person

PAIRED_FOR = timedelta(days=7)  # in which the same two people corroborate each other once
# `beside`: at a desk that checks see, an opening that one saw about then; at others, an unrelated trusted look at the
# same opening (crawler/reports/judgement.py).
_GIVE = sa.text("""
INSERT INTO vouches (id, user_id, voucher_id, vouched_on, opening_id)
SELECT DISTINCT ON (r.user_id) gen_random_uuid(), r.user_id, beside.voucher_id, CAST(:now AS date), beside.opening_id
FROM reports r JOIN users u ON u.id = r.user_id
CROSS JOIN LATERAL (
  SELECT CAST(NULL AS uuid) AS voucher_id, d.id AS opening_id FROM detections d
  WHERE r.state = 'kept' AND d.source = 'check' AND d.desk_id = r.desk_id
    AND d.seen_at BETWEEN r.seen_at - interval '10 minutes' AND r.seen_at + interval '10 minutes'
  UNION ALL
  SELECT t.user_id, t.opening_id FROM reports t JOIN users v ON v.id = t.user_id
  WHERE r.state = 'counted' AND t.opening_id = r.opening_id AND t.desk_id = r.desk_id AND t.is_trusted
    AND t.seen_at > :now - interval '3 hours' AND t.user_id <> r.user_id AND NOT t.networks && r.networks
    AND t.networks <> '{}' AND r.networks <> '{}'
    AND NOT (v.registered_from && u.registered_from
      AND v.created_at BETWEEN u.created_at - interval '1 hour' AND u.created_at + interval '1 hour')
) beside
WHERE r.kind = 'slots' AND r.via <> 'answer' AND r.seen_at > :now - interval '3 hours'
  AND NOT EXISTS (SELECT FROM vouches w WHERE w.user_id = r.user_id AND w.vouched_on >= CAST(:now AS date))
  AND NOT EXISTS (SELECT FROM reporters e WHERE e.user_id = r.user_id AND e.ended_at IS NOT NULL)
  AND NOT EXISTS (
    SELECT FROM matches m JOIN alerts a ON a.id = m.alert_id JOIN detections d ON d.id = m.detection_id
    WHERE a.user_id = r.user_id AND d.desk_id = r.desk_id
      AND m.decided_at BETWEEN r.seen_at - interval '3 hours' AND r.seen_at)
ON CONFLICT DO NOTHING
""")


def read_people(session: Session, ids: Collection[UUID]) -> dict[UUID, Person]:
    """Return by id who may report; those whose reports an operator ended are left out."""
    trust = read_trust(session, ids)
    users = sa.select(User.id, User.created_at, User.registered_from).where(is_any_of(User.id, ids))
    return {
        key: Person(key, created_at, frozenset(networks), trust[key].is_trusted)
        for key, created_at, networks in session.execute(users)
        if trust[key].ended_because is None
    }


def read_pairs(session: Session, ids: Collection[UUID], now: datetime) -> set[Pair]:
    """Return who of these people corroborated each other lately."""
    one, other = Report, aliased(Report)
    met = (
        sa.select(one.user_id, other.user_id)
        .join(other, other.id == one.corroborates_id)
        .where(is_any_of(one.user_id, ids), is_any_of(other.user_id, ids), one.seen_at > now - PAIRED_FOR)
    )
    return {Pair(filter(None, row)) for row in session.execute(met)}


def list_counted(session: Session, desk_id: str, since: datetime) -> Sequence[Report]:
    """Return each person's last report of each kind that counted at a desk since then: earlier ones say no more."""
    counted = Report.desk_id == desk_id, Report.state == ReportState.COUNTED, Report.seen_at >= since
    last = sa.select(Report).ext(distinct_on(Report.user_id, Report.kind)).where(*counted)
    return session.scalars(last.order_by(Report.user_id, Report.kind, Report.seen_at.desc())).all()


def give_trust(session: Session, now: datetime) -> None:
    """Note whose looks of the last hours others saw too."""
    session.execute(_GIVE, {"now": now})
