"""Issue of documents: one for each transaction of the book that changed what we hold of a payment's money.

An invoice for what was paid; a credit note for what went back by a refund or a lost dispute; an invoice that takes the
credit note back where the money came again. A transaction is due while it has no document, so that no event, restart
or older version loses one.

Their files are made after the issue, kept in the store of INVOICES_URL, and made again where one is lost: the contents
are in the table, so that the store needs no backup.
"""

from collections.abc import Iterator, Sequence
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.ground.separate_parts import do_due
from api.models.base import is_any_of
from api.models.base import session as open_session
from api.models.book import Account, BookKind, BookLine, BookTransaction
from api.models.invoice import Invoice, InvoiceCounter, InvoiceKind
from api.models.payment import Payment, Refund, StripeId, WatchCredit
from api.payments.invoices.contents import (
    PARIS,
    CorrectedInvoice,
    InvoiceContents,
    InvoiceLine,
    LineKind,
    measure_vat,
    name_present_seller,
    read_vat_terms,
)
from api.payments.invoices.lost_documents import name_record, take_back, write_record
from api.payments.ledger.grants import find_period
from api.payments.ledger.payment_events import list_credits, read_asked, read_discount
from api.payments.ledger.subscriptions import find_order
from configs.ground.clock import clock
from configs.ground.object_store import NoBlob, StoreAway, invoice_blobs

log = structlog.get_logger(__name__)

# What the bank holds back in a dispute may come again; what is due has its invoice before it is paid.
_HELD = (Account.CASH, Account.BANK, Account.DISPUTED, Account.DUE)
_LETTERS = {InvoiceKind.INVOICE: "F", InvoiceKind.CREDIT_NOTE: "A"}  # facture, avoir
_LINES = {
    BookKind.REFUNDED: LineKind.REFUND,
    BookKind.TRANSFERRED: LineKind.REFUND,
    BookKind.RETURNED: LineKind.REFUND_RETURNED,
    BookKind.DISPUTE_LOST: LineKind.DISPUTE,
    BookKind.WAIVED: LineKind.WAIVED,
    BookKind.DISPUTE_WON: LineKind.DISPUTE_RETURNED,
}
# How the cause ends whose credit note is taken back; it begins alike, with Stripe's id of the refund or dispute.
_TAKEN_BACK = {BookKind.RETURNED: "succeeded", BookKind.DISPUTE_WON: "lost"}


def issue_due(seconds: float) -> tuple[int, int]:
    """Issue what lacks a document, for so long at most; return how many were issued, and how many failed.

    One that cannot be issued keeps no other from its turn, takes no number, and is tried again in the next run.
    """
    return do_due("issue_invoices", _list_due, _issue, seconds)


def _list_due(session: Session, most: int) -> list[UUID]:
    """Return the transactions that lack a document: what was paid, then what corrects it, the first ones first."""
    has_one = sa.exists().where(Invoice.transaction_id == BookTransaction.id)
    due = (
        sa.select(BookTransaction.id)
        .join(BookLine, BookLine.transaction_id == BookTransaction.id)
        .where(BookLine.account.in_(_HELD), ~has_one)
        .group_by(BookTransaction.id)
        .having(sa.func.sum(BookLine.cents) != 0)
    )
    return list(
        session.scalars(due.order_by(BookTransaction.kind != BookKind.PAID, BookTransaction.id).limit(most))
    )


def _issue(transaction_id: UUID) -> bool:
    """Issue the document of a transaction of the book; False where it has one, or there is nothing to correct.

    The payment is locked first, the counter of numbers last.
    """
    with open_session() as s:
        lines = sa.select(BookLine.payment_id, sa.func.sum(BookLine.cents)).where(
            BookLine.transaction_id == transaction_id, BookLine.account.in_(_HELD)
        )
        payment_id = s.execute(lines.group_by(BookLine.payment_id)).one()[0]
        payment = s.get_one(Payment, payment_id, with_for_update={"key_share": True}, populate_existing=True)
        mine = sa.select(Invoice).where(Invoice.payment_id == payment_id)
        documents = s.scalars(mine.order_by(Invoice.corrects_id.is_not(None), Invoice.id)).all()
        if any(each.transaction_id == transaction_id for each in documents):
            return False
        cause = s.get_one(BookTransaction, transaction_id)
        if take_back(s, cause, payment):
            return True
        if cause.kind is BookKind.PAID:
            _bill(s, payment, cause)
            return True
        return bool(documents) and _correct(s, documents, cause)


def _bill(session: Session, payment: Payment, cause: BookTransaction) -> None:
    (percent, vat_line), (starts_at, ends_at) = read_vat_terms(), find_period(session, payment)
    order = find_order(session, payment)
    contents = InvoiceContents(
        order=order.number,
        plan=payment.plan,
        lines=tuple(_list_lines(session, payment)),
        paid_at=payment.paid_at or cause.at,
        starts_at=starts_at,
        ends_at=ends_at,
        vat_percent=percent,
        vat_line=vat_line,
        vat_cents=measure_vat(payment.amount_cents, percent),
        seller=name_present_seller(),
    )
    row = Invoice(kind=InvoiceKind.INVOICE, payment_id=payment.id, amount_cents=payment.amount_cents)
    _add(session, row, cause, contents, order.client_name)


def _list_lines(session: Session, payment: Payment) -> Iterator[InvoiceLine]:
    """Yield the lines of a paid payment; they add up to what was paid."""
    paid, name, lowered = payment.amount_cents, payment.plan, []
    if payment.consented_at:
        kind, discount = LineKind.PLAN, max(read_asked(session, payment) - paid, 0)
        for each in list_credits(session, payment):
            ended = session.get_one(Payment, each.credited_payment_id).plan
            lowered.append((LineKind.UPGRADE_CREDIT, ended, each.amount_cents))
    else:
        kind, discount = LineKind.RENEWAL, read_discount(session, payment)
        borne = sa.select(sa.func.coalesce(sa.func.sum(WatchCredit.amount_cents), 0))
        outages = session.scalars(borne.where(WatchCredit.borne_by_id == payment.id)).one()
        lowered.append((LineKind.OUTAGE, name, outages))
    lowered.append((LineKind.DISCOUNT, name, discount))
    price = paid + sum(cents for *_, cents in lowered)
    yield InvoiceLine(kind=kind, plan=name, amount_cents=price)
    for what, whose, cents in lowered:
        if cents:
            yield InvoiceLine(kind=what, plan=whose, amount_cents=-cents)


def _correct(session: Session, documents: Sequence[Invoice], cause: BookTransaction) -> bool:
    """Issue the correction of a payment's documents, its invoice first; False where there is nothing to correct.

    A refund and the bank may give back more than was paid. Credit notes are about money of the invoice only: together
    they leave what is still held of it, nothing at least, whichever came first.
    """
    before, vat_before = _sum(documents)
    invoice = documents[0]
    held = max(min(_read_held(session, invoice, cause), invoice.amount_cents), 0)
    cents, corrected = held - before, invoice
    if not cents:
        return False
    if cents > 0:
        corrected = _find_credit_note(session, documents, cause) or documents[-1]
    first = InvoiceContents.model_validate(documents[0].contents)
    reason = sa.select(Refund.reason).join(StripeId, StripeId.refund_id == Refund.id)
    # What it changes in the tax of the whole, so that parts add up to the cent.
    tax = abs(measure_vat(before + cents, first.vat_percent) - vat_before)
    price = abs(cents) - (tax if first.firm else 0)  # lines to a firm are without tax
    contents = first.model_copy(
        update={
            "lines": (InvoiceLine(kind=_LINES[cause.kind], plan=first.plan, amount_cents=price),),
            "paid_at": cause.at,
            "vat_cents": tax,
            "firm": first.firm and first.firm.model_copy(update={"due_at": None}),
            "seller": name_present_seller(),
            "corrects": CorrectedInvoice(number=corrected.number, issued_at=corrected.issued_at),
            "reason": session.scalar(reason.where(StripeId.id == _name_subject(cause))),  # None of a dispute
        }
    )
    kind = InvoiceKind.INVOICE if cents > 0 else InvoiceKind.CREDIT_NOTE
    row = Invoice(
        kind=kind, payment_id=corrected.payment_id, corrects_id=corrected.id, amount_cents=abs(cents)
    )
    _add(session, row, cause, contents, documents[0].client_name)
    return True


def _read_held(session: Session, invoice: Invoice, cause: BookTransaction) -> int:
    """Return the cents that were held of an invoice's money once this transaction was written."""
    moved = (
        sa.select(sa.func.coalesce(sa.func.sum(BookLine.cents), 0))
        .join(BookTransaction, BookTransaction.id == BookLine.transaction_id)
        .where(BookLine.payment_id == invoice.payment_id, BookLine.account.in_(_HELD))
        .where(BookTransaction.kind.not_in((BookKind.PAID, BookKind.BILLED)), BookTransaction.id <= cause.id)
    )
    return invoice.amount_cents + session.scalars(moved).one()


def _find_credit_note(
    session: Session, documents: Sequence[Invoice], cause: BookTransaction
) -> Invoice | None:
    earlier = f"{_name_subject(cause)}:{_TAKEN_BACK[cause.kind]}"
    known = session.scalar(sa.select(BookTransaction.id).where(BookTransaction.cause == earlier))
    return next((each for each in documents if each.transaction_id == known), None)


def _name_subject(cause: BookTransaction) -> str:
    return cause.cause.rpartition(":")[0]


def _sum(documents: Sequence[Invoice]) -> tuple[int, int]:
    """Return the cents and the tax of a payment's documents, credit notes taken off."""
    signed = [(1 if each.kind is InvoiceKind.INVOICE else -1, each) for each in documents]
    return (
        sum(sign * each.amount_cents for sign, each in signed),
        sum(sign * each.contents["vat_cents"] for sign, each in signed),
    )


def issue_bill(session: Session, payment: Payment, cause_name: str, contents: InvoiceContents) -> None:
    """Issue the invoice of what an organisation used, with its transaction, or take one back in that a restore lost."""
    cause = session.scalars(sa.select(BookTransaction).where(BookTransaction.cause == cause_name)).one()
    if not take_back(session, cause, payment):
        row = Invoice(kind=InvoiceKind.INVOICE, payment_id=payment.id, amount_cents=payment.amount_cents)
        _add(session, row, cause, contents, None)


def _add(
    session: Session, row: Invoice, cause: BookTransaction, contents: InvoiceContents, client_name: str | None
) -> None:
    row.transaction_id, row.client_name = cause.id, client_name
    row.contents = contents.model_dump(mode="json")
    take_number(session, row)
    session.add(row)
    session.flush()


def take_number(session: Session, row: Invoice) -> None:
    """Give a document the next number of its kind and of the year in Paris, and a time not before the last one's.

    The counter's row stays locked until the commit, so the next number waits for it, and a rollback gives it back:
    there is no gap.
    """
    now = clock()
    year = now.astimezone(PARIS).year
    first = insert(InvoiceCounter).values(year=year, kind=row.kind, last_number=1, last_issued_at=now)
    taken = first.on_conflict_do_update(
        index_elements=["year", "kind"],
        set_={
            "last_number": InvoiceCounter.last_number + 1,
            "last_issued_at": sa.func.greatest(InvoiceCounter.last_issued_at, first.excluded.last_issued_at),
        },
    ).returning(InvoiceCounter.last_number, InvoiceCounter.last_issued_at)
    number, row.issued_at = session.execute(taken).one()
    row.number = f"{_LETTERS[row.kind]}{year}-{number:06d}"


def forget_client(session: Session, user_id: UUID) -> None:
    """Empty a user's name on all documents and orders, before the account goes. The job makes the files again."""
    locked = sa.select(Payment.id).where(Payment.user_id == user_id).order_by(Payment.id)
    # Whatever is being issued copies the name under this lock.
    mine = session.scalars(locked.with_for_update(key_share=True)).all()
    named = sa.update(Invoice).where(is_any_of(Invoice.payment_id, mine), Invoice.client_name.is_not(None))
    session.execute(named.values(client_name=None, pdf_made_at=None))
    orders = sa.update(Payment).where(is_any_of(Payment.id, mine), Payment.client_name.is_not(None))
    session.execute(orders.values(client_name=None))


def make_due_files(seconds: float) -> tuple[int, int]:
    """Make the files that are missing, the oldest first, for so long at most; return how many were stored and failed.

    A document that cannot be drawn keeps no other from its turn. Where the store is away the rest waits for the next
    run.
    """
    return do_due("files of invoices", _list_due_files, _make_file, seconds, stops=(StoreAway,))


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


def _list_due_files(session: Session, most: int) -> Sequence[UUID]:
    due = sa.select(Invoice.id).where(Invoice.pdf_made_at.is_(None)).order_by(Invoice.id)
    return session.scalars(due.limit(most)).all()


def _make_file(invoice_id: UUID) -> None:
    """Store a file, and note it. Where the client's name went meanwhile it is made once more.

    A slow worker may have replaced a file without the name that another one has noted since.
    """
    from api.payments.invoices.pdf import render_pdf  # noqa: PLC0415 -- 27 MB that no run without an invoice needs

    with open_session() as s:
        row = s.get_one(Invoice, invoice_id)
        key = row.pdf_key or f"{row.issued_at.year}/{row.id.hex}.pdf"
        record = write_record(s, row, key)
    invoice_blobs().put(key, render_pdf(row))
    invoice_blobs().put(name_record(key), record)
    same_name = Invoice.client_name.is_not_distinct_from(row.client_name)
    made_at = sa.case((same_name, clock()))
    with open_session() as s:
        s.execute(sa.update(Invoice).where(Invoice.id == row.id).values(pdf_key=key, pdf_made_at=made_at))
