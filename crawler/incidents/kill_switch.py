"""Kill switch of a host: nothing more is asked of it until an operator resumes it. The pause of a single desk, too.

The row in `hosts` or `desks` is the truth, whoever wrote it: this command, or the API, which never calls the crawler.
The planner carries the rows out (`apply_orders`), and restores what Redis lost.
"""

import logging
from datetime import datetime
from typing import Any

import redis
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.base import session, write_rows
from api.models.desk import DeskChange, DeskState, HostState, OutageReason
from configs.ground.clock import clock
from configs.ground.text import suggest_names
from configs.world.prefecture import desk, desks
from crawler.incidents import backoff
from crawler.scheduling import due_queue
from crawler.scheduling.intervals import desks_on

log = logging.getLogger(__name__)

_LOCK = 0x72647673  # rows and Redis change together: a round that began before an order would overwrite it in Redis
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


def order_host(host: str, reason: str | None) -> None:
    """Ask nothing more of a host (`name:port`), by any visit, for a reason; None: let it be asked again.

    Row first, then Redis; while that is away nothing is claimed, and the planner writes it there later, as it shows the
    host's desks so. Rests and budgets stay as they were.

    Raises:
        ValueError: no desk is there.
    """
    if not desks_on(host):
        known = sorted({desk.host for desk in desks().values()})
        raise ValueError(f"no desk is on {host!r}; {suggest_names(host, known)}")
    values: dict[str, Any] = {
        "stopped_at": clock() if reason else None,
        "stop_reason": reason,
        "updated_at": clock(),
    }
    with session() as rows:
        _lock(rows)
        made = insert(HostState).values(host=host, **values)
        rows.execute(made.on_conflict_do_update(index_elements=["host"], set_=values))
        try:
            with due_queue.connect() as client:
                due_queue.replace_stopped(client, _list_stopped(rows))
        except redis.RedisError as error:
            log.warning("Redis is away, the planner writes the switch when it is back: %s", error)


def order_desk(desk_id: str, reason: str | None) -> None:
    """Check a desk no more, for a reason; None: check it again, and now. The planner carries it out within two seconds.

    Raises:
        configs.world.prefecture.UnknownDesk: there is no such desk.
        ValueError: it is not watched anyway.
    """
    if because := desk(desk_id).unwatched_because:
        raise ValueError(f"{desk_id} is not watched anyway: {because}")
    values: dict[str, Any] = {"paused_at": clock() if reason else None, "pause_reason": reason}
    if not reason:
        values["check_requested_at"] = clock()
    with session() as rows:
        made = insert(DeskState).values(id=desk_id, **values)
        rows.execute(made.on_conflict_do_update(index_elements=["id"], set_=values))
        rows.add(DeskChange(desk_id=desk_id, reason="an operator's order"))


def apply_orders(client: redis.Redis, now: datetime) -> None:
    """Bring Redis, the desks' status and their outages up to date with stopped hosts and paused desks.

    Desks before outages: the order in which a writer of checks takes them too. A desk whose state already has another
    reason keeps it, and its outage.

    Raises:
        sqlalchemy.exc.DBAPIError, redis.RedisError: a server is away.
    """
    with session() as rows:
        _lock(rows)
        hosts = _list_stopped(rows)
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


def _lock(rows: Session) -> None:
    rows.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def _list_stopped(rows: Session) -> list[str]:
    return list(rows.scalars(sa.select(HostState.host).where(HostState.stopped_at.is_not(None))))
