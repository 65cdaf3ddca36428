"""Numbers of documents: without gaps per year and kind, in the order in which they are issued.

The counter's row stays locked until the commit, so the next number waits for it. A rollback gives the number back.
"""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.invoice import InvoiceCounter, InvoiceKind

PARIS = ZoneInfo("Europe/Paris")
_LETTERS = {InvoiceKind.INVOICE: "F", InvoiceKind.CREDIT_NOTE: "A"}  # facture, avoir


@dataclass(frozen=True, slots=True)
class TakenNumber:
    """A number, and the time of issue: never before that of the number before it."""

    number: str
    issued_at: datetime


def take_number(session: Session, kind: InvoiceKind, now: datetime) -> TakenNumber:
    """Take the next number of the year in Paris; the transaction must issue its document."""
    year = now.astimezone(PARIS).year
    first = insert(InvoiceCounter).values(year=year, kind=kind, last_number=1, last_issued_at=now)
    taken = first.on_conflict_do_update(
        index_elements=["year", "kind"],
        set_={
            "last_number": InvoiceCounter.last_number + 1,
            "last_issued_at": sa.func.greatest(InvoiceCounter.last_issued_at, first.excluded.last_issued_at),
        },
    ).returning(InvoiceCounter.last_number, InvoiceCounter.last_issued_at)
    number, issued_at = session.execute(taken).one()
    return TakenNumber(f"{_LETTERS[kind]}{year}-{number:06d}", issued_at)
