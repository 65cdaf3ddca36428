"""Issue of all documents that are missing, for the job `issue_invoices`."""

import time
from uuid import UUID

import structlog

from api.invoices.due_documents import Issue, list_due
from api.models.base import session as open_session
from configs.database_errors import passes

_AT_ONCE = 200  # documents between two looks at what is due

log = structlog.get_logger(__name__)


def issue_due(seconds: float) -> tuple[int, int]:
    """Issue what lacks a document, for so long at most; return how many were issued, and how many failed.

    One that cannot be issued keeps no other from its turn, and is tried again in the next run.
    """
    ends, issued, failed = time.monotonic() + seconds, 0, 0
    left: set[UUID] = set()  # tried, and not issued
    while time.monotonic() < ends:
        with open_session() as s:
            due = [each for each in list_due(s, _AT_ONCE + len(left)) if each[1] not in left]
        if not due:
            break
        for issue, row_id in due:
            done = _issue_one(issue, row_id)
            issued += done is True
            failed += done is None
            if not done:
                left.add(row_id)
    return issued, failed


def _issue_one(issue: Issue, row_id: UUID) -> bool | None:
    """Return whether a document was issued; None where that failed."""
    try:
        with open_session() as s:
            return issue(s, row_id) is not None
    except Exception as error:
        if passes(error):
            raise
        # its transaction took no number
        log.exception("a document is not issued", row=str(row_id))
        return None
