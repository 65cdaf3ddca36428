"""Desks of stale addresses that are being tried, known to each process that has the tables.

A desk's definition is its file, and so is that it is stale. What probes have proven since is in the table, and makes it
a desk like any other in every program (`Desk.schedulable`). It is read each few seconds, on a connection that is handed
out anyway. A desk that is tried remains so: one that is gone again closes as others do.
"""

import time
from typing import Any

import psycopg2
import sqlalchemy as sa
from sqlalchemy.orm import Session

from configs.world.desk import set_tried_desks

_EVERY = 10.0  # seconds
_TRIED = "SELECT id FROM desks WHERE tried_at IS NOT NULL"
_NO_WAIT = "SET LOCAL lock_timeout = '200ms';"  # the connection's user may need no desk: a migration has it
_next = [0.0]  # by time.monotonic()


def load_tried_desks(rows: Session) -> None:
    """Read which desks are tried."""
    set_tried_desks(rows.scalars(sa.text(_TRIED)))


def refresh_tried_desks(connection: Any, _record: object, _proxy: object) -> None:
    """Read which desks are tried, if that was not done lately; what is wrong with the connection shows in its use."""
    if time.monotonic() < _next[0]:
        return
    _next[0] = time.monotonic() + _EVERY
    try:
        with connection.cursor() as cursor:
            cursor.execute(_NO_WAIT + _TRIED)
            set_tried_desks(desk_id for (desk_id,) in cursor)
    except psycopg2.Error:  # no tables yet, or no right to read them: such a program has no desks
        pass
    if not connection.closed:
        connection.rollback()
