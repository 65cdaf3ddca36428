"""Deletes in batches of 5,000 rows: a job that is killed half-way has lost nothing, and goes on where it was."""

from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm.attributes import InstrumentedAttribute

from api.models.base import session

BATCH = 5_000


def delete_in_batches(key: InstrumentedAttribute[Any], *conditions: sa.ColumnElement[bool]) -> int:
    """Delete the rows of a primary key's table that meet the conditions; return how many.

    Each batch is a transaction of its own. The rows are found first and deleted by their keys: of `IN (SELECT …)`
    PostgreSQL may read the whole table. What no longer meets the conditions by then, as an account that was confirmed
    meanwhile, stays.
    """
    found = sa.select(key).where(*conditions).limit(BATCH)
    dropped, is_full = 0, True
    while is_full:
        with session() as s:
            keys = list(s.scalars(found))
            gone = key == sa.any_(sa.literal(keys, ARRAY(key.type)))
            deletion = sa.delete(key.class_).where(gone, *conditions)
            done = s.execute(deletion, execution_options={"synchronize_session": False})
        dropped += cast("sa.CursorResult[Any]", done).rowcount
        is_full = len(keys) == BATCH
    return dropped
