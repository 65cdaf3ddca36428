"""Figures of reports as operators see them: by person, desk and group of accounts near each other."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.ground.paging import Found
from api.ground.schemas import Body
from api.models.report import Report, read_trust
from configs.ground.clock import clock

SINCE = timedelta(days=7)  # afterwards person and report part
_MOST = 100
_DOUBTED = 2  # openings of a person that nobody else saw: from then on the list of doubtful people has it


class ReportGrouping(StrEnum):
    """What a row of figures is about."""

    # People of whose openings nobody else saw two or more, or one that was told to all or in doubt and that somebody
    # denied; pairs whose opening two denied and no third saw
    DOUBTFUL = "doubtful"
    PERSON = "person"
    DESK = "desk"
    NETWORK = "network"  # accounts whose reports share the hash of a network, or of a payer's name


class ReportQuery(Body):
    """Figures of the last seven days."""

    by: ReportGrouping = ReportGrouping.DOUBTFUL


# By report whether somebody else saw its slots, or none soon afterwards; whom it corroborated or was corroborated by;
# how many people its opening was told in doubt, where it began that.
_FIGURES = """
WITH looks AS (
  SELECT r.id, r.user_id, r.desk_id, r.networks, r.seen_at, r.kind = 'slots' AS is_slots, r.opening_id,
    partner.user_id AS partner_id,
    partner.user_id IS NOT NULL OR EXISTS (SELECT FROM reports o WHERE o.opening_id = r.opening_id
      AND o.desk_id = r.desk_id AND o.user_id <> r.user_id AND o.is_trusted) OR (r.state = 'kept' AND EXISTS (
      SELECT FROM detections c WHERE c.desk_id = r.desk_id AND c.source = 'check' AND c.seen_at BETWEEN
        r.seen_at - interval '10 minutes' AND r.seen_at + interval '10 minutes')) AS is_corroborated,
    EXISTS (SELECT FROM reports o WHERE o.desk_id = r.desk_id AND o.user_id <> r.user_id AND o.kind = 'none'
      AND o.state IN ('counted', 'kept') AND o.opened_at IS NOT NULL
      AND o.seen_at BETWEEN r.seen_at AND r.seen_at + interval '10 minutes') AS is_denied,
    partner.user_id IS NOT NULL AND (SELECT count(DISTINCT o.user_id) FROM reports o
      WHERE o.desk_id = r.desk_id AND o.kind = 'none' AND o.state = 'counted' AND o.user_id <> partner.user_id
        AND o.seen_at BETWEEN r.seen_at AND r.seen_at + interval '10 minutes') > 1
      AND NOT EXISTS (SELECT FROM reports o WHERE o.desk_id = r.desk_id AND o.opening_id = r.opening_id
        AND (o.is_trusted OR o.user_id NOT IN (r.user_id, partner.user_id))) AS is_of_a_pair,
    r.detection_id IS NOT NULL AS was_told, told.people AS told
  FROM reports r
  LEFT JOIN LATERAL (SELECT o.user_id FROM reports o
    WHERE o.id = r.corroborates_id OR (o.corroborates_id = r.id AND o.desk_id = r.desk_id)
    ORDER BY o.seen_at LIMIT 1) partner ON r.kind = 'slots'
  LEFT JOIN LATERAL (SELECT count(DISTINCT a.user_id) AS people
    FROM detections d JOIN matches m ON m.detection_id = d.id JOIN alerts a ON a.id = m.alert_id
    WHERE d.opening_id = r.opening_id AND d.in_doubt
      AND NOT EXISTS (SELECT FROM reports o WHERE o.desk_id = r.desk_id AND o.opening_id = r.opening_id
        AND o.seen_at < r.seen_at)) told ON r.kind = 'slots'
  WHERE r.seen_at > :since AND r.user_id IS NOT NULL
)
SELECT {key} AS key, count(*) AS looks, count(*) FILTER (WHERE is_slots) AS slots,
  count(*) FILTER (WHERE is_slots AND is_corroborated) AS corroborated,
  count(*) FILTER (WHERE is_slots AND is_denied) AS denied,
  count(DISTINCT coalesce(opening_id, l.id)) FILTER (WHERE is_slots AND NOT is_corroborated) AS alone,
  coalesce(sum(told), 0) AS told, count(DISTINCT partner_id) AS pairs,
  array_agg(DISTINCT l.user_id) AS people, max(l.seen_at) AS last_at
FROM looks l {join}
GROUP BY 1 HAVING {having}
ORDER BY count(*) FILTER (WHERE was_told AND is_denied AND NOT is_corroborated) DESC,
  alone DESC, denied DESC, told DESC, slots DESC, key LIMIT :most
"""
_ALONE = "count(DISTINCT coalesce(opening_id, l.id)) FILTER (WHERE is_slots AND NOT is_corroborated)"
_DENIED_TELLING = "was_told AND is_slots AND is_denied AND NOT is_corroborated"
_CHOICES = {
    ReportGrouping.DOUBTFUL: {
        "key": "l.user_id",
        "join": "",
        "having": f"{_ALONE} >= {_DOUBTED} OR bool_or(is_of_a_pair) OR bool_or({_DENIED_TELLING})",
    },
    ReportGrouping.PERSON: {"key": "l.user_id", "join": "", "having": "true"},
    ReportGrouping.DESK: {"key": "l.desk_id", "join": "", "having": "true"},
    ReportGrouping.NETWORK: {
        "key": "left(encode(n.hash, 'hex'), 12)",
        "join": "CROSS JOIN LATERAL unnest(l.networks) AS n(hash)",
        "having": "count(DISTINCT l.user_id) > 1",
    },
}


def read_report_figures(session: Session, wanted: ReportQuery) -> Found[Any]:
    """Return rows of figures, the most doubtful first: looks that saw slots and that nobody else saw.

    `trusted`: who of a row's people is trusted.
    """
    statement = sa.text(_FIGURES.format(**_CHOICES[wanted.by]))
    rows = session.execute(statement, {"since": clock() - SINCE, "most": _MOST}).mappings().all()
    trust = read_trust(session, {each for row in rows for each in row["people"]})
    return Found(
        [
            SimpleNamespace(**row, trusted=[each for each in row["people"] if trust[each].is_trusted])
            for row in rows
        ]
    )


def list_reports(session: Session, user_id: UUID) -> Sequence[Report]:
    """Return the reports of a person, the newest first."""
    mine = sa.select(Report).where(Report.user_id == user_id, Report.seen_at > clock() - SINCE)
    return session.scalars(mine.order_by(Report.seen_at.desc()).limit(_MOST)).all()
