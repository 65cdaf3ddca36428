"""Read-only sessions for overviews, with a short limit for each statement."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import session

_STATEMENT = "4s"


@contextmanager
def read_session() -> Iterator[Session]:
    """Give a session that only reads, and no statement of which takes longer than _STATEMENT."""
    with session() as opened:
        opened.execute(sa.text(f"SET LOCAL statement_timeout = '{_STATEMENT}'"))
        opened.execute(sa.text("SET TRANSACTION READ ONLY"))
        yield opened
