"""The account of documents: it finds gaps, doubles, wrong sums and files that are missing."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from api.models.invoice import Invoice, InvoiceKind
from deploy.chaos.document_accounts import DocumentAccount, settle_documents

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
A, B, BACK = UUID(int=1), UUID(int=2), UUID(int=3)
PAID, REFUNDED, COUNTERS = {str(A): 499, str(B): 1499}, {str(BACK): 375}, {"F2026": 2, "A2026": 1}


def document(number: str, payment: UUID, cents: int, refund: UUID | None = None, minutes: int = 0) -> Invoice:
    at = NOON + timedelta(minutes=minutes)
    kind = InvoiceKind.CREDIT_NOTE if number.startswith("A") else InvoiceKind.INVOICE
    return Invoice(
        number=number, kind=kind, payment_id=payment, transaction_id=refund,
        corrects_id=payment if refund else None, amount_cents=cents, issued_at=at,
        pdf_made_at=at,
    )  # fmt: skip


FIRST, SECOND = document("F2026-000001", A, 499), document("F2026-000002", B, 1499, minutes=1)
NOTE = document("A2026-000001", A, 375, BACK)


def books(*documents: Invoice, counters: dict[str, int] | None = None) -> DocumentAccount:
    return settle_documents(documents, PAID, REFUNDED, counters or COUNTERS)


def test_a_document_for_each_payment_and_refund_is_right() -> None:
    assert books(FIRST, SECOND, NOTE) == DocumentAccount(2, 1, ())


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ((FIRST, SECOND), (f"refund {BACK}: 0 documents", "A2026: 0 numbers up to [], counted 1")),
        (
            (FIRST, document("F2026-000003", B, 1499), NOTE),
            ("F2026: 2 numbers up to [3], counted 2",),
        ),
        ((FIRST, document("F2026-000002", B, 1498), NOTE), ("F2026-000002: of 1498 cents, 1499 moved",)),
        (
            (FIRST, document("F2026-000002", B, 1499, minutes=-1), NOTE),
            ("F2026-000002: issued before F2026-000001",),
        ),
    ],
)
def test_each_difference_is_named(documents: tuple[Invoice, ...], said: tuple[str, ...]) -> None:
    assert set(books(*documents).differences) == set(said)


def test_a_number_that_was_counted_and_not_issued_is_named() -> None:
    found = books(FIRST, SECOND, NOTE, counters={"F2026": 3, "A2026": 1})
    assert found.differences == ("F2026: 2 numbers up to [2], counted 3",)


def test_two_documents_of_one_payment_and_a_missing_file_are_named() -> None:
    again = document("F2026-000003", B, 1499, minutes=2)
    again.pdf_made_at = None
    found = books(FIRST, SECOND, again, NOTE, counters={"F2026": 3, "A2026": 1})
    assert found.differences == ("F2026-000003: has no file", f"payment {B}: 2 documents")
