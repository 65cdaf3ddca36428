"""Documents that a restore of an earlier instant lost: taken back in from the store, or gaps with their reason.

Beside each file the store has a record of its document, without the client's name. `python -m api.payments.invoices`
(docs/backup.md) reads the records after a restore: what the table lacks becomes a row of `invoice_gaps`, and numbers go
on behind the highest one, which a customer may hold. Once the comparison with Stripe has written the money again, the
document is taken back in as it was, in place of a new one. What remains in `invoice_gaps` is missing for its reason.
"""

import json
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.book import BookKind, BookTransaction
from api.models.invoice import Invoice, InvoiceCounter, InvoiceGap, InvoiceKind
from api.models.payment import Payment, StripeId
from api.payments.ledger.subscriptions import find_order
from configs.ground.object_store import invoice_blobs

_UNKNOWN = "lost by a restore: the money that it is about is not known here"
_OTHER = "lost by a restore: the money that it is about is of another amount here"
_ENDING = ".json"
_COLUMNS = ("kind", "number", "amount_cents", "contents")


def name_record(pdf_key: str) -> str:
    """Return the key of the record beside a file."""
    return pdf_key.rpartition(".")[0] + _ENDING


def write_record(session: Session, row: Invoice, pdf_key: str) -> bytes:
    """Return what is needed to take a document back in; `causes` name its money, by ids that outlive a restore."""
    cause = session.get_one(BookTransaction, row.transaction_id)
    corrected = session.get(Invoice, row.corrects_id) if row.corrects_id else None
    values = {name: getattr(row, name) for name in _COLUMNS} | {
        "id": str(row.id),
        "pdf_key": pdf_key,
        "issued_at": row.issued_at.isoformat(),
        "corrects": corrected.number if corrected else None,
        "causes": _list_causes(session, cause, row.payment_id),
    }
    return json.dumps(values, ensure_ascii=False).encode()


def _list_causes(session: Session, cause: BookTransaction, payment_id: UUID) -> list[str]:
    """Return the names of what a document is about: the transaction's cause, and of a payment Stripe's ids."""
    if cause.kind is not BookKind.PAID:
        return [cause.cause]
    ids = sa.select(StripeId.id).where(StripeId.payment_id == payment_id).order_by(StripeId.id)
    return [cause.cause, *session.scalars(ids)]


def note_lost_documents(session: Session) -> tuple[int, int]:
    """Write the documents of the store that the table lacks as gaps, and let numbers go on behind all of them.

    Return how many records were read, and how many of them are new gaps.

    Raises:
        configs.ground.object_store.StoreAway: the store does not answer.
    """
    blobs, read, new = invoice_blobs(), 0, 0
    for year in blobs.names():
        for name in (each for each in blobs.names(year) if each.endswith(_ENDING)):
            read, new = read + 1, new + _note(session, json.loads(blobs.get(f"{year}/{name}")))
    return read, new


def _note(session: Session, record: dict[str, object]) -> bool:
    """Raise the counter to a record's number; write the gap where the document is missing, and return whether it is."""
    number, kind = str(record["number"]), InvoiceKind(str(record["kind"]))
    year, _, place = number[1:].partition("-")
    values = {
        "year": int(year),
        "kind": kind,
        "last_number": int(place),
        "last_issued_at": record["issued_at"],
    }
    counter = insert(InvoiceCounter).values(values)
    greatest = {
        name: sa.func.greatest(getattr(InvoiceCounter, name), getattr(counter.excluded, name))
        for name in ("last_number", "last_issued_at")
    }
    session.execute(counter.on_conflict_do_update(index_elements=["year", "kind"], set_=greatest))
    if session.scalar(sa.select(Invoice.id).where(Invoice.number == number)):
        return False
    gap = insert(InvoiceGap).values(number=number, record=record, reason=_UNKNOWN)
    return bool(session.scalar(gap.on_conflict_do_nothing().returning(InvoiceGap.number)))


def take_back(session: Session, cause: BookTransaction, payment: Payment) -> bool:
    """Take the lost document of a transaction back in, as it was issued; False where there is none."""
    causes = _list_causes(session, cause, payment.id)
    named = sa.or_(*(InvoiceGap.record["causes"].contains([each]) for each in causes))
    gap = session.scalars(sa.select(InvoiceGap).where(named).with_for_update().limit(1)).one_or_none()
    if gap is None:
        return False
    corrects = gap.record["corrects"]
    corrected = session.scalar(sa.select(Invoice.id).where(Invoice.number == corrects)) if corrects else None
    is_same = (
        cause.kind not in (BookKind.PAID, BookKind.BILLED)
        or payment.amount_cents == gap.record["amount_cents"]
    )
    if not is_same or (corrects and corrected is None):
        gap.reason = _UNKNOWN if is_same else _OTHER
        return False
    row = Invoice(
        id=UUID(gap.record["id"]),
        payment_id=payment.id,
        transaction_id=cause.id,
        corrects_id=corrected,
        issued_at=datetime.fromisoformat(gap.record["issued_at"]),
        pdf_key=gap.record["pdf_key"],
        client_name=find_order(session, payment).client_name,
        **{name: gap.record[name] for name in _COLUMNS},
    )
    session.add(row)
    session.delete(gap)
    session.flush()
    return True


def list_gaps(session: Session) -> list[tuple[str, str]]:
    """Return the numbers whose documents are missing, each with the reason."""
    gaps = sa.select(InvoiceGap.number, InvoiceGap.reason).order_by(InvoiceGap.number)
    return [(number, reason) for number, reason in session.execute(gaps)]
