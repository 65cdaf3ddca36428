"""Checks that the database refuses: each is written in a savepoint of its own, so that one bad row costs no other."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import psycopg2.errors
import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import session
from api.models.database_clock import database_clock
from configs.ground.clock import clock
from configs.world.outcome import Outcome
from crawler.bounds import ERROR, REFUSED, clean_text
from crawler.items import FinishedCheck
from crawler.recording.check_transaction import Written, write_batch

log = logging.getLogger(__name__)

# Classes of SQLSTATE: a value that does not fit, a constraint, a limit of the server, an error that a trigger raised.
# https://www.postgresql.org/docs/18/errcodes-appendix.html
_ROW_FAULTS = frozenset({"22", "23", "54", "P0"})
# A check waits for its missing day, which the background program makes. A day further away is a wrong clock's.
_DAY_COMES = timedelta(days=2)


def is_row_fault(error: Exception) -> bool:
    """Tell whether a row is at fault, and not the server, a connection or the load.

    What raised no error of SQLAlchemy's was refused before it was sent (psycopg2 takes no NUL), or by our own code.
    """
    if isinstance(error, sa.exc.DBAPIError):
        code = str(getattr(error.orig, "pgcode", None))
        return code[:2] in _ROW_FAULTS and not error.connection_invalidated
    return not isinstance(error, sa.exc.TimeoutError)


def write_each(results: Sequence[FinishedCheck]) -> Written:
    """Write checks in one transaction; one that is refused is recorded as `unreadable`, without what its page said.

    A check that is refused even so is logged and left out: its desk comes due again.

    Raises:
        Exception: no check is at fault; nothing was written.
    """
    written = Written()
    with session() as rows:
        for result in results:
            try:
                written.add(_write_alone(rows, result))
            except Exception as error:
                if not _is_at_fault(error, result):
                    raise
                written.add(_write_plainly(rows, result, error))
    return written


def _write_alone(rows: Session, result: FinishedCheck) -> Written:
    with rows.begin_nested():
        return write_batch(rows, [result], database_clock(rows), clock())


def _write_plainly(rows: Session, result: FinishedCheck, error: Exception) -> Written:
    log.error("the check of %s cannot be recorded as it is", result.check.desk_id, exc_info=error)
    try:
        return _write_alone(rows, _plain_row(result, error))
    except Exception as again:
        if not _is_at_fault(again, result):
            raise
        log.exception("the check of %s cannot be recorded at all", result.check.desk_id)
        return Written()


def _is_at_fault(error: Exception, result: FinishedCheck) -> bool:
    return is_row_fault(error) and not _waits_for_day(error, result)


def _waits_for_day(error: Exception, result: FinishedCheck) -> bool:
    """Tell whether the table has no partition yet for the day of a check that is of about now."""
    if not isinstance(getattr(error, "orig", None), psycopg2.errors.CheckViolation):
        return False
    return "no partition" in str(error) and abs(result.check.started_at - clock()) < _DAY_COMES


def _plain_row(result: FinishedCheck, error: Exception) -> FinishedCheck:
    """Return the row that replaces a check that cannot be recorded. Nothing in it comes from the page."""
    plain = replace(
        result.check,
        outcome=Outcome.UNREADABLE,
        reason=REFUSED,
        slots=(),
        covered=(),
        places=(),
        releases_at=None,
        retry_after=None,
        error=clean_text(f"{type(error).__name__}: {error}", ERROR),
    )
    return replace(result, check=plain)
