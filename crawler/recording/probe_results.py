"""Results of probes and of readings of robots.txt: what they prove of stale addresses and of hosts.

A probe has its row among the checks and changes these columns of its desk alone: nobody is told of it, and nothing of
the desk's status, slots, outages or days comes from it. A refusal lets its host rest as any other.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.base import write_rows
from api.models.desk import DeskChange, HostState
from configs.world.desk import Desk
from configs.world.prefecture import desks, desks_by_host
from crawler.items import CheckItem
from crawler.reading import Outcome
from crawler.robots_txt import forbids
from crawler.scheduling.intervals import captcha_expected
from crawler.scheduling.probes import PROVEN_DAYS, host_of_visit, next_probe

log = logging.getLogger(__name__)

# Days between two proofs are no matter; a page that is gone sets the count of days to zero.
_PROBED = sa.text("""
UPDATE desks d SET
  last_token = n.token, probed_at = n.started_at, page_title = coalesce(n.title, d.page_title),
  last_slot_at = CASE WHEN n.slots > 0 THEN n.seen_at ELSE d.last_slot_at END,
  gone_probes = CASE WHEN n.gone THEN d.gone_probes + 1 ELSE 0 END,
  proven_days = CASE WHEN n.gone THEN 0 ELSE d.proven_days + n.new_day END,
  proven_on = CASE WHEN n.proven THEN n.day ELSE d.proven_on END,
  tried_at = CASE WHEN n.named AND NOT n.gone AND d.proven_days + n.new_day >= :days
    THEN coalesce(d.tried_at, n.started_at) ELSE d.tried_at END
FROM (
  SELECT n.*, (n.proven AND n.day IS DISTINCT FROM o.proven_on)::int AS new_day
  FROM json_to_recordset(:rows) AS n(
    desk_id text, token bigint, started_at timestamptz, seen_at timestamptz, day date, proven boolean, gone boolean,
    named boolean, slots int, title text)
  JOIN desks o ON o.id = n.desk_id
) n
WHERE d.id = n.desk_id AND n.token > d.last_token
RETURNING d.id, d.gone_probes, d.tried_at
""")
_FORBIDDEN = sa.text("""
UPDATE desks d SET forbidden_at = CASE WHEN n.forbidden THEN coalesce(d.forbidden_at, :now) END
FROM (
  SELECT n.* FROM desks o JOIN json_to_recordset(:rows) AS n(desk_id text, forbidden boolean) ON o.id = n.desk_id
  WHERE n.forbidden <> (o.forbidden_at IS NOT NULL) ORDER BY o.id FOR NO KEY UPDATE OF o
) n WHERE d.id = n.desk_id
""")


def write_probes(rows: Session, probes: Sequence[CheckItem]) -> dict[str, datetime]:
    """Write what probes proved of desks that are locked; return when each desk is due again."""
    if not probes:
        return {}
    given = {"rows": write_rows(map(_columns, probes)), "days": PROVEN_DAYS}
    written = {row.id: row for row in rows.execute(_PROBED, given)}
    tried = [row.id for row in written.values() if row.tried_at]
    rows.add_all(DeskChange(desk_id=each, reason="it is being tried") for each in tried)
    return {
        probe.desk_id: next_probe(probe.desk_id, probe.started_at, row.gone_probes if row else 0)
        for probe in probes
        for row in [written.get(probe.desk_id)]
    }


def proves_life(desk: Desk, visit: CheckItem) -> bool:
    """Return whether a visit proves that an address lives: by its answer, or by a captcha that always stands there."""
    exists = visit.outcome is Outcome.CAPTCHA and captcha_expected(desk)
    return not visit.gone and (visit.outcome.conclusive or exists)


def _columns(probe: CheckItem) -> dict[str, Any]:
    desk = desks().get(probe.desk_id)
    return {
        "desk_id": probe.desk_id,
        "token": probe.token,
        "started_at": probe.started_at,
        "seen_at": probe.seen_at,
        "day": probe.started_at.date(),
        "proven": desk is not None and proves_life(desk, probe),
        "gone": probe.gone,
        "named": desk is not None and desk.is_named,
        "slots": len(probe.slots),
        "title": probe.title,
    }


def write_robots(rows: Session, readings: Iterable[CheckItem], now: datetime) -> None:
    """Write what was read of robots.txt, and which desks' pages it forbids from now on, or no more."""
    for each in readings:
        host = host_of_visit(each.desk_id)
        values: dict[str, Any] = {"robots_asked_at": each.started_at, "robots_error": each.reason}
        text = each.robots_text
        if text is not None:
            values |= {"robots_read_at": each.seen_at, "robots_text": text, "robots_error": None}
        made = insert(HostState).values(host=host, **values)
        rows.execute(made.on_conflict_do_update(index_elements=["host"], set_=values))
        here = desks_by_host().get(host, [])
        if text is not None:
            found = [{"desk_id": desk.id, "forbidden": forbids(text, desk)} for desk in here]
            rows.execute(_FORBIDDEN, {"rows": write_rows(found), "now": now})
        rows.add_all(DeskChange(desk_id=desk.id, reason="its robots.txt was asked for") for desk in here[:1])
