"""Files of the documents: made after the issue, kept in the store of INVOICES_URL, made again where one is lost.

The contents are in the table, so that the store needs no backup.
"""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from api.models.base import session as open_session
from api.models.invoice import Invoice
from api.separate_parts import do_due
from configs.ground.clock import clock
from configs.ground.object_store import NoBlob, StoreAway, invoice_blobs

log = structlog.get_logger(__name__)


def make_due_files(seconds: float) -> tuple[int, int]:
    """Make the files that are missing, the oldest first, for so long at most; return how many were stored and failed.

    A document that cannot be drawn keeps no other from its turn. Where the store is away the rest waits for the next
    run.
    """
    return do_due("files of invoices", _list_due, _make, seconds, stops=(StoreAway,))


def read_file(row: Invoice) -> bytes | None:
    """Return a document's PDF; None while it is not made. A file that the store lost is made again.

    Raises:
        configs.ground.object_store.StoreAway: the store does not answer.
    """
    if row.pdf_key is None or row.pdf_made_at is None:
        return None
    try:
        return invoice_blobs().get(row.pdf_key)
    except NoBlob:
        log.warning("a stored invoice is gone: it is made again", invoice=str(row.id))
        with open_session() as s:
            s.execute(sa.update(Invoice).where(Invoice.id == row.id).values(pdf_made_at=None))
        return None


def _list_due(session: Session, most: int) -> Sequence[UUID]:
    due = sa.select(Invoice.id).where(Invoice.pdf_made_at.is_(None)).order_by(Invoice.id)
    return session.scalars(due.limit(most)).all()


def _make(invoice_id: UUID) -> None:
    """Store a file, and note it. Where the client's name went meanwhile it is made once more.

    A slow worker may have replaced a file without the name that another one has noted since.
    """
    from api.invoices.pdf import render_pdf  # noqa: PLC0415 -- 27 MB that no run without an invoice needs

    with open_session() as s:
        row = s.get_one(Invoice, invoice_id)
    key = row.pdf_key or f"{row.issued_at.year}/{row.id.hex}.pdf"
    invoice_blobs().put(key, render_pdf(row))
    same_name = Invoice.client_name.is_not_distinct_from(row.client_name)
    made_at = sa.case((same_name, clock()))
    with open_session() as s:
        s.execute(sa.update(Invoice).where(Invoice.id == row.id).values(pdf_key=key, pdf_made_at=made_at))
