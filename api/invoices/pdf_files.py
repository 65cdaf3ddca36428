"""Files of the documents: made after the issue, kept in the store of INVOICES_URL, made again where one is lost.

The contents are in the table, so that the store needs no backup.
"""

import time
from uuid import UUID

import sqlalchemy as sa
import structlog

from api.models.base import session
from api.models.invoice import Invoice
from configs.ground.clock import clock
from configs.ground.object_store import Blobs, NoBlob, StoreAway, invoice_blobs

_AT_ONCE = 100  # rows in one statement

log = structlog.get_logger(__name__)


def make_due_files(seconds: float) -> tuple[int, int]:
    """Make the files that are missing, the oldest first, for so long at most; return how many were stored and failed.

    A document that cannot be drawn keeps no other from its turn. Where the store is away the rest waits for the next
    run.
    """
    ends, made, failed, last = time.monotonic() + seconds, 0, 0, None
    while rows := _list_due(last):
        for row in rows:
            if time.monotonic() > ends:
                return made, failed
            try:
                pdf = _draw(row)
            except Exception:  # whatever its contents do to the library, the others have their turn
                log.exception("an invoice is not drawn", invoice=str(row.id))
                failed += 1
                continue
            try:
                _store(invoice_blobs(), row, pdf)
            except StoreAway as error:
                log.warning("invoices wait for their store", because=str(error))
                return made, failed + 1
            made += 1
        last = rows[-1].id
    return made, failed


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
        with session() as s:
            s.execute(sa.update(Invoice).where(Invoice.id == row.id).values(pdf_made_at=None))
        return None


def _draw(row: Invoice) -> bytes:
    from api.invoices.pdf import render_pdf  # noqa: PLC0415 -- 27 MB that no run without an invoice needs

    return render_pdf(row)


def _list_due(after: UUID | None) -> list[Invoice]:
    due = sa.select(Invoice).where(Invoice.pdf_made_at.is_(None)).order_by(Invoice.id).limit(_AT_ONCE)
    if after:
        due = due.where(Invoice.id > after)
    with session() as s:
        return list(s.scalars(due))


def _store(blobs: Blobs, row: Invoice, pdf: bytes) -> None:
    """Store a file, and note it. Where the client's name went meanwhile it is made once more.

    A slow worker may have replaced a file without the name that another one has noted since.
    """
    key = row.pdf_key or f"{row.issued_at.year}/{row.id.hex}.pdf"
    blobs.put(key, pdf)
    same_name = Invoice.client_name.is_not_distinct_from(row.client_name)
    made_at = sa.case((same_name, clock()))
    with session() as s:
        s.execute(sa.update(Invoice).where(Invoice.id == row.id).values(pdf_key=key, pdf_made_at=made_at))
