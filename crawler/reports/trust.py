"""Trust of people who look, at openings that a check, an operator or another trusted person saw too, and their pairs.

A person gets it once a day at most, by a look that no message of ours led to: who presses as told shows nothing.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.orm import Session, aliased

from api.models.base import is_any_of
from api.models.looks import Pair, Person
from api.models.report import Report, ReportKind, ReportState, Vouch, VouchKind, read_trust
from api.models.slot import Detection
from api.models.user import User
from crawler.reports.judgement import TOLD_ALONE_AGAIN

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


# What takes trust, or a witness away. `denials`: looks by the page's link that saw none soon after, of other networks.
_TAKE = sa.text("""
WITH denials AS (
  SELECT r.id, count(DISTINCT n.networks[1]) AS people, count(DISTINCT n.networks[1]) FILTER (
    WHERE n.seen_at <= r.seen_at + interval '5 minutes' AND EXISTS (
      SELECT FROM matches m JOIN alerts a ON a.id = m.alert_id
      WHERE a.user_id = n.user_id AND m.detection_id = r.detection_id)) AS told
  FROM reports r JOIN reports n ON n.desk_id = r.desk_id AND n.kind = 'none' AND n.state = 'counted'
    AND n.via <> 'answer' AND n.opened_at IS NOT NULL AND n.user_id <> r.user_id
    AND n.seen_at BETWEEN r.seen_at AND r.seen_at + interval '30 minutes'
    AND n.networks <> '{}' AND NOT n.networks && r.networks
  WHERE r.detection_id IS NOT NULL AND r.seen_at > :now - interval '3 hours' GROUP BY r.id
), carried AS (
  SELECT r.*, d.people, d.told, p.id AS partner_report, p.user_id AS partner_id FROM reports r
  JOIN denials d ON d.id = r.id JOIN detections t ON t.id = r.detection_id AND NOT t.in_doubt
  LEFT JOIN reports p ON p.id = r.corroborates_id
  WHERE d.people > 1 AND NOT EXISTS (
    SELECT FROM reports o WHERE o.desk_id = r.desk_id AND o.kind = 'slots' AND o.opening_id = r.opening_id
      AND o.user_id NOT IN (r.user_id, coalesce(p.user_id, r.user_id)) AND NOT o.networks && r.networks)
), misses AS (
  SELECT user_id, opening_id, 'denied' || CASE WHEN told > 4 AND partner_id IS NULL THEN '_widely' ELSE '' END AS kind
  FROM carried
  UNION ALL SELECT partner_id, opening_id, 'denied' FROM carried WHERE partner_id IS NOT NULL
  UNION ALL SELECT r.user_id, r.id, 'disproved' FROM reports r
  WHERE r.kind = 'slots' AND r.state = 'kept' AND r.via <> 'answer' AND r.seen_at > :now - interval '3 hours'
    AND EXISTS (SELECT FROM checks c WHERE c.desk_id = r.desk_id AND c.outcome = 'no_slots' AND NOT c.probe
      AND c.started_at BETWEEN r.seen_at - interval '2 minutes' AND r.seen_at)
    AND EXISTS (SELECT FROM checks c WHERE c.desk_id = r.desk_id AND c.outcome = 'no_slots' AND NOT c.probe
      AND c.started_at BETWEEN r.seen_at AND r.seen_at + interval '2 minutes')
    AND NOT EXISTS (SELECT FROM checks c WHERE c.desk_id = r.desk_id AND c.outcome = 'slots'
      AND c.started_at BETWEEN r.seen_at - interval '2 minutes' AND r.seen_at + interval '2 minutes')
)
INSERT INTO vouches (id, user_id, vouched_on, opening_id, kind)
SELECT DISTINCT ON (user_id, opening_id) gen_random_uuid(), user_id, CAST(:now AS date), opening_id, kind
FROM misses WHERE user_id IS NOT NULL ORDER BY user_id, opening_id, kind DESC
ON CONFLICT (user_id, opening_id) DO UPDATE SET kind = excluded.kind
  WHERE vouches.kind = 'denied' AND excluded.kind = 'denied_widely'
""")
NO_WITNESS_FOR = timedelta(days=7)  # who carried to all what two denied and nobody else saw


def read_people(session: Session, ids: Collection[UUID], now: datetime) -> dict[UUID, Person]:
    """Return by id who may report; those whose reports an operator ended are left out."""
    trust = read_trust(session, ids)
    each_hash = sa.select(Report.user_id, sa.func.unnest(Report.networks).label("hash"))
    known = each_hash.where(is_any_of(Report.user_id, ids)).subquery()
    hashes = sa.func.array_agg(known.c.hash.distinct(), type_=ARRAY(sa.LargeBinary))
    of_each = sa.select(known.c.user_id, hashes).group_by(known.c.user_id)
    networks = {who: frozenset(found) for who, found in session.execute(of_each)}
    users = sa.select(User.id, User.created_at, User.registered_from).where(is_any_of(User.id, ids))
    is_denied = Vouch.kind.in_((VouchKind.DENIED, VouchKind.DENIED_WIDELY))
    lately = is_any_of(Vouch.user_id, ids), Vouch.vouched_on > now.date() - NO_WITNESS_FOR
    no_witnesses = set(session.scalars(sa.select(Vouch.user_id).where(is_denied, *lately)))
    return {
        key: Person(
            key, created_at, frozenset(registered), trust[key].is_trusted,
            trust[key].is_named or trust[key].is_operator,
            is_witness=key not in no_witnesses or trust[key].is_named or trust[key].is_operator,
            networks=networks.get(key, frozenset()),
        )
        for key, created_at, registered in session.execute(users)
        if trust[key].ended_because is None
    }  # fmt: skip


def read_pairs(session: Session, ids: Collection[UUID], now: datetime) -> set[Pair]:
    """Return who of these people corroborated each other lately."""
    one, other = Report, aliased(Report)
    met = (
        sa.select(one.user_id, other.user_id)
        .join(other, other.id == one.corroborates_id)
        .where(is_any_of(one.user_id, ids), is_any_of(other.user_id, ids), one.seen_at > now - PAIRED_FOR)
    )
    return {Pair(filter(None, row)) for row in session.execute(met)}


def read_told_alone(session: Session, desk_id: str, now: datetime) -> set[UUID]:
    """Return who lately told all at a desk what nobody else saw, of those who do not seem to be that person."""
    other = aliased(Report)
    is_seen = sa.exists().where(
        other.desk_id == desk_id, other.opening_id == Report.opening_id, other.user_id != Report.user_id,
        other.kind == ReportKind.SLOTS, other.networks != [], ~other.networks.overlap(Report.networks),
    )  # fmt: skip
    told = (
        sa.select(Report.user_id)
        .join(Detection, Detection.id == Report.detection_id)
        .where(Report.desk_id == desk_id, Report.seen_at > now - TOLD_ALONE_AGAIN, ~Detection.in_doubt)
        .where(Report.user_id.is_not(None), Report.corroborates_id.is_(None), ~is_seen)
    )
    return {each for each in session.scalars(told) if each}


def list_counted(session: Session, desk_id: str, since: datetime) -> Sequence[tuple[Report, datetime]]:
    """Return each person's last report of each kind that counted at a desk since then, and when they said so first."""
    counted = Report.desk_id == desk_id, Report.state == ReportState.COUNTED, Report.seen_at >= since
    first_at = sa.func.min(Report.seen_at).over(partition_by=(Report.user_id, Report.kind))
    last = sa.select(Report, first_at).ext(distinct_on(Report.user_id, Report.kind)).where(*counted)
    rows = session.execute(last.order_by(Report.user_id, Report.kind, Report.seen_at.desc()))
    return [(report, first) for report, first in rows]


def give_trust(session: Session, now: datetime) -> None:
    """Note whose looks of the last hours others saw too, and whose others denied."""
    session.execute(_GIVE, {"now": now})
    session.execute(_TAKE, {"now": now})
