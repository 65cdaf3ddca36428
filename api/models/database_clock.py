"""The database's clock, one for all machines: leases, due times and caps go by it.

When a page was seen is its reader's to say. A machine whose own clock is stepped takes over no lease, and writes
nothing that waits longer than it should.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import engine
from configs.ground.clock import read_offset

CLOCKS_DIFFER = timedelta(seconds=5)  # between what two programs hold for now
_ASKED_EVERY = 10.0  # seconds; between them our own stopwatch goes on
_NOW = sa.select(sa.type_coerce(sa.func.clock_timestamp(), sa.DateTime(timezone=True)))


@dataclass(slots=True)
class _Answer:
    instant: datetime
    at: float  # by time.monotonic()
    asked_at: float  # the same; also of a question that was not answered


_answers: list[_Answer] = []  # the last one
_instead: list[Callable[[], datetime]] = []


def database_clock(session: Session | None = None) -> datetime:
    """Return the present instant by the database's clock; it is asked every few seconds, in `session` if there is one.

    While the database is away, the last answer and our stopwatch tell it.

    Raises:
        sqlalchemy.exc.DBAPIError: it was never asked, or `session` is at an end.
    """
    if _instead:
        return _instead[0]()
    if not _answers or time.monotonic() - _answers[0].asked_at >= _ASKED_EVERY:
        _ask(session)
    passed = timedelta(seconds=time.monotonic() - _answers[0].at)
    return _answers[0].instant + passed + read_offset(of_database=True)


def replace_database_clock(source: Callable[[], datetime]) -> None:
    """Ask `source` instead: tests freeze it."""
    _instead[:] = [source]


def _ask(session: Session | None) -> None:
    began = time.monotonic()
    try:
        instant = session.connection().execute(_NOW).scalar_one() if session else _ask_alone()
    except sa.exc.SQLAlchemyError:
        if session or not _answers:
            raise
        _answers[0].asked_at = time.monotonic()
    else:
        ended = time.monotonic()
        _answers[:] = [_Answer(instant, (began + ended) / 2, ended)]


def _ask_alone() -> datetime:
    with engine().connect() as connection:
        instant: datetime = connection.execute(_NOW).scalar_one()
        return instant
