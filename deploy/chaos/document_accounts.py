"""Account of the documents of a run: an invoice for each payment, a credit note for each refund.

No number is missing. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from api.models.invoice import Invoice, InvoiceKind


@dataclass(frozen=True)
class DocumentAccount:
    """Numbers, and every difference in words."""

    invoices: int
    credit_notes: int
    differences: tuple[str, ...]


def settle_documents(
    documents: Sequence[Invoice],
    paid: Mapping[str, int],
    refunded: Mapping[str, int],
    counters: Mapping[str, int],
) -> DocumentAccount:
    """Hold documents beside what they are about.

    `paid`: cents of each paid payment; `refunded`: of each refund that succeeded, by its transaction of the book.
    `counters`: the last number of
    each series, named by what its numbers begin with.
    """
    bills: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    differences: list[str] = []
    for each in documents:
        if each.corrects_id is None:
            bills[str(each.payment_id)] += 1
            differences += _compare(each, paid.get(str(each.payment_id)))
        elif str(each.transaction_id) in refunded:
            notes[str(each.transaction_id)] += 1
            differences += _compare(each, refunded.get(str(each.transaction_id)))
        if each.pdf_made_at is None:
            differences.append(f"{each.number}: has no file")
    differences += _find_uncounted("payment", paid, bills) + _find_uncounted("refund", refunded, notes)
    differences += _check_numbers(documents, counters)
    kinds = Counter(each.kind for each in documents)
    return DocumentAccount(
        kinds[InvoiceKind.INVOICE], kinds[InvoiceKind.CREDIT_NOTE], tuple(sorted(differences))
    )


def _compare(document: Invoice, cents: int | None) -> list[str]:
    if document.amount_cents == cents:
        return []
    return [f"{document.number}: of {document.amount_cents} cents, {cents} moved"]


def _find_uncounted(what: str, moved: Iterable[str], found: Mapping[str, int]) -> list[str]:
    return [f"{what} {each}: {found.get(each, 0)} documents" for each in moved if found.get(each, 0) != 1]


def _check_numbers(documents: Sequence[Invoice], counters: Mapping[str, int]) -> list[str]:
    """Each series counts from 1 to its counter, and no document is older than the one before it."""
    series: dict[str, list[Invoice]] = {}
    for each in sorted(documents, key=lambda each: each.number):
        series.setdefault(each.number.partition("-")[0], []).append(each)
    wrong = []
    for name in sorted({*series, *counters}):
        rows = series.get(name, [])
        numbers = [int(each.number.partition("-")[2]) for each in rows]
        if numbers != list(range(1, counters.get(name, 0) + 1)):
            wrong.append(f"{name}: {len(numbers)} numbers up to {numbers[-1:]}, counted {counters.get(name)}")
        wrong += [
            f"{late.number}: issued before {early.number}"
            for early, late in pairwise(rows)
            if late.issued_at < early.issued_at
        ]
    return wrong
