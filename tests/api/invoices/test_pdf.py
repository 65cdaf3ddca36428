"""The PDF of a document: French, one page, the same bytes each time, whatever its texts hold."""

import re
from collections.abc import Callable
from contextlib import closing

import pytest

from api.invoices import pdf
from api.models.invoice import Invoice
from tests.api.invoices.documents import issue, pay, refund
from tests.factories import get, rows


@pytest.fixture
def document(database: str, settings_env: Callable[..., None]) -> Invoice:
    settings_env(
        SELLER_NAME="Œuvre & Cœur", SELLER_ADDRESS="1 rue de l’Été, 75001 Paris", SELLER_SIREN="123456789"
    )
    pay(client_name="Chloé Nœl")
    (found,) = issue()
    return found


def count_pages(made: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", made))


def read_letters(made: bytes) -> set[str]:
    """Return the characters that a PDF shows, by the tables of its fonts."""
    tables = re.findall(rb"beginbfchar(.*?)endbfchar", made, re.DOTALL)
    assert len(tables) == len(pdf._FACES)
    codes = [code for table in tables for _, code in re.findall(rb"<(\w{4})> <(\w{4})>", table)]
    return {chr(int(code, 16)) for code in codes}


def test_it_is_one_page_with_every_letter_of_ours(document: Invoice) -> None:
    made = pdf.render_pdf(document)
    assert made.startswith(b"%PDF-")
    assert count_pages(made) == 1
    assert set("Œœé€’–") <= read_letters(made)


def test_the_same_contents_are_the_same_bytes(document: Invoice) -> None:
    assert pdf.render_pdf(document) == pdf.render_pdf(document)


@pytest.mark.parametrize("name", ["ليلى", "x" * 100, "\u202egnp.exe", "名前", "A\u0301"])
def test_any_name_is_taken(document: Invoice, name: str) -> None:
    document.client_name = name
    made = pdf.render_pdf(document)
    assert count_pages(made) == 1


def test_a_credit_note_names_its_invoice(document: Invoice) -> None:
    refund(document.payment_id, 500)
    issue()
    note = rows(Invoice)[-1]
    assert count_pages(pdf.render_pdf(note)) == 1


def test_both_faces_have_what_french_needs() -> None:
    with closing(pdf._Document()) as page:
        assert page.can_show("ÀÂÆÇÉÈÊËÎÏÔŒÙÛÜŸàâæçéèêëîïôœùûüÿ€«»’–…°\u00a0")


def test_a_row_is_left_as_it_was(document: Invoice) -> None:
    before = dict(document.contents)
    pdf.render_pdf(document)
    assert get(Invoice, document.id).contents == before
