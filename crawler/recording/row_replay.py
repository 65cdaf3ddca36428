"""Row-by-row replay of a batch of checks that the database refused: one bad row costs no other.

A refusal is the row's fault or the server's. While the server is at fault nothing is dropped.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import psycopg2.errors
import sqlalchemy as sa

from configs.clock import clock
from configs.database_errors import refuses_writes
from configs.outcome import Outcome
from crawler.bounds import ERROR, clean_text
from crawler.items import FinishedCheck
from crawler.recording.check_transaction import Written

log = logging.getLogger(__name__)

# Classes of SQLSTATE: a value that does not fit, a constraint, what a statement names, a limit of the server.
# https://www.postgresql.org/docs/18/errcodes-appendix.html
_ROW_FAULTS = frozenset({"22", "23", "42", "54"})
# A check waits for its missing day, which the background program makes. A day further away is a wrong clock's.
_DAY_COMES = timedelta(days=2)

Record = Callable[[Sequence[FinishedCheck]], Written]


def is_row_fault(error: Exception) -> bool:
    """Tell whether a row is at fault, and not the server, a connection or the load.

    What raised no error of SQLAlchemy's was refused before it was sent (psycopg2 takes no NUL), or by our own code.
    """
    if isinstance(error, sa.exc.DBAPIError):
        code = str(getattr(error.orig, "pgcode", None))
        return code[:2] in _ROW_FAULTS and not error.connection_invalidated
    return not isinstance(error, sa.exc.TimeoutError)


def _waits_for_day(error: Exception, row: FinishedCheck) -> bool:
    """Tell whether the table has no partition yet for the day of a check that is of about now."""
    if not isinstance(error, sa.exc.IntegrityError) or not isinstance(
        error.orig, psycopg2.errors.CheckViolation
    ):
        return False
    return "no partition" in str(error.orig) and abs(row.check.started_at - clock()) < _DAY_COMES


class _ServerAway(Exception):
    """The server does not answer, or lacks the day: no row is at fault."""


def replay_rows(
    rows: Sequence[FinishedCheck], record: Record, answers: Callable[[], bool], takes: Callable[[], bool]
) -> tuple[Written, list[FinishedCheck]]:
    """Write each check alone; replace one that fails while others are written by a plain row `unreadable`.

    A check whose plain row fails too is dropped. `answers` tells whether the server answers, `takes` whether it takes a
    check of no desk. Returns what was written, and the checks that have to wait: those left where it ceased to answer,
    and all where none can be written (the server is full, or without our migration).
    """
    replay = _Replay(record, answers)
    left = deque(rows)
    try:
        while left:
            replay.write(left[0])
            left.popleft()
        replay.replace_refused()
        if replay.lost and not replay.stored and not takes():
            return replay.written, list(rows)
        if replay.lost:  # the server may have recovered after these were refused
            replay.refused = deque(row for row, _ in replay.lost)
            replay.lost = []
            replay.replace_refused()
    except _ServerAway:
        return replay.written, [*(row for row, _ in replay.lost), *replay.refused, *left]
    replay.written.dropped += len(replay.lost)
    for row, error in replay.lost:
        log.error("the check of %s cannot be recorded at all", row.check.desk_id, exc_info=error)
    return replay.written, []


class _Replay:
    """One replay: what is written, which rows were refused alone, and which even as plain rows."""

    def __init__(self, record: Record, answers: Callable[[], bool]) -> None:
        self._record, self._answers = record, answers
        self.written, self.stored = Written(), 0
        self.refused: deque[FinishedCheck] = deque()
        self.lost: list[tuple[FinishedCheck, Exception]] = []

    def write(self, row: FinishedCheck) -> None:
        """Write a row, or note that it was refused."""
        if self._refusal(row):
            self.refused.append(row)

    def replace_refused(self) -> None:
        """Write each refused row once more, now that others are written; a plain row where it is refused again."""
        while self.refused:
            self._replace(self.refused[0])
            self.refused.popleft()

    def _replace(self, row: FinishedCheck) -> None:
        if not (error := self._refusal(row)):
            return
        if again := self._refusal(_plain_row(row, error)):
            self.lost.append((row, again))
        else:
            log.error("the check of %s cannot be recorded as it is", row.check.desk_id, exc_info=error)

    def _refusal(self, row: FinishedCheck) -> Exception | None:
        """Write a row alone; return why it was refused, None where it was not.

        Raises:
            _ServerAway: nothing can be written now.
        """
        try:
            self.written.add(self._record([row]))
        except Exception as error:  # whatever it is, the other rows are kept
            if self._is_away(error) or _waits_for_day(error, row):
                raise _ServerAway from error
            return error
        self.stored += 1
        return None

    def _is_away(self, error: Exception) -> bool:
        return refuses_writes(error) or (not is_row_fault(error) and not self._answers())


def _plain_row(row: FinishedCheck, error: Exception) -> FinishedCheck:
    """Return the row that replaces a check that cannot be recorded. Nothing in it comes from the page."""
    plain = replace(
        row.check,
        outcome=Outcome.UNREADABLE,
        reason="what was read cannot be kept",
        slots=(),
        covered=(),
        places=(),
        releases_at=None,
        retry_after=None,
        handed_to="",
        handed_requests=0,
        error=clean_text(f"{type(error).__name__}: {error}", ERROR),
    )
    return replace(row, check=plain)
