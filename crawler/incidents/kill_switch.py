"""Kill switch of a host: nothing more is asked of it until an operator resumes it. The pause of a single desk, too.

The row in `hosts` or `desks` is the truth (api/admin/desk_orders.py); the planner carries it out, and restores what
Redis lost.
"""

from datetime import datetime

import redis
import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import session, write_rows
from api.models.desk import DeskState, HostState, OutageReason
from configs.world.prefecture import desks
from crawler.incidents import backoff
from crawler.scheduling import due_queue
from crawler.scheduling.intervals import desks_on

STOPPED = "stopped by an operator"
PAUSED = "paused by an operator"
_SHOW_PAUSED = sa.text("""
WITH chosen AS (
  SELECT d.id, n.reason FROM desks d
  JOIN json_to_recordset(:rows) AS n(id text, reason text) ON n.id = d.id
  WHERE d.status = 'ACTIVE' ORDER BY d.id FOR NO KEY UPDATE OF d
)
UPDATE desks d SET status = 'PAUSED', status_reason = chosen.reason FROM chosen WHERE d.id = chosen.id
""")


def apply_orders(client: redis.Redis, now: datetime) -> None:
    """Bring Redis, the desks' status and their outages up to date with stopped hosts and paused desks.

    Desks before outages: the order in which a writer of checks takes them too. A desk whose state already has another
    reason keeps it, and its outage.

    Raises:
        sqlalchemy.exc.DBAPIError, redis.RedisError: a server is away.
    """
    with session() as rows:
        hosts = rows.scalars(sa.select(HostState.host).where(HostState.stopped_at.is_not(None))).all()
        reasons = dict.fromkeys(read_paused_desks(rows), PAUSED)
        reasons |= {desk.id: STOPPED for host in hosts for desk in desks_on(host)}
        ids = sorted(reasons)
        shown = write_rows({"id": each, "reason": reasons[each]} for each in ids)
        rows.execute(_SHOW_PAUSED, {"rows": shown})
        backoff.begin_outages(rows, ids, now, OutageReason.STOPPED)
        backoff.end_outages(rows, ids, now, OutageReason.STOPPED)  # of desks that go on
        due_queue.replace_stopped(client, hosts)


def read_paused_desks(rows: Session) -> frozenset[str]:
    """Return the desks that an operator paused, as far as the desk files schedule them."""
    paused = rows.scalars(sa.select(DeskState.id).where(DeskState.paused_at.is_not(None)))
    return frozenset(each for each in paused if each in desks() and desks()[each].schedulable)
