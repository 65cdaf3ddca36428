"""Routes of invoices: the list in pages, the PDF, and no other user's."""

from collections.abc import Callable
from pathlib import Path

import pytest

from api.background import jobs
from api.models.invoice import Invoice
from api.models.payment import RefundStatus
from configs.ground.object_store import Blobs, StoreAway
from tests.api.invoices.documents import issue, pay, refund
from tests.clients import People, Person
from tests.factories import rows

URL = "/api/billing/invoices"


@pytest.fixture
def buyer(person: People, tmp_path: Path, settings_env: Callable[..., None]) -> Person:
    settings_env(INVOICES_URL=tmp_path / "invoices")
    return person()


def test_the_list_has_invoices_and_credit_notes(buyer: Person) -> None:
    payment = pay(buyer.id)
    refund(payment, 500)
    refund(payment, 100, RefundStatus.PENDING)
    pay()
    issue()
    items = buyer.get(URL).json["items"]
    assert [(each["kind"], each["amount"]) for each in items] == [("credit_note", 500), ("invoice", 1499)]
    assert items[0]["corrects"] == items[1]["number"]
    assert {each["paymentId"] for each in items} == {str(payment)}
    assert {each["pdfReady"] for each in items} == {False}


def test_the_pdf_is_there_once_it_is_made(buyer: Person) -> None:
    pay(buyer.id)
    (document,) = issue()
    answer = buyer.get(f"{URL}/{document.id}")
    assert (answer.status_code, answer.headers["Retry-After"], answer.data) == (202, "10", b"")
    jobs.issue_invoices()
    answer = buyer.get(f"{URL}/{document.id}")
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    assert answer.data.startswith(b"%PDF-")
    assert document.number in answer.headers["Content-Disposition"]


def test_a_store_that_is_away_is_said(buyer: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    pay(buyer.id)
    jobs.issue_invoices()

    def refuse(blobs: Blobs, key: str) -> bytes:
        raise StoreAway("secret.example.org refuses")

    monkeypatch.setattr(Blobs, "get", refuse)
    answer = buyer.get(f"{URL}/{rows(Invoice)[0].id}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert "secret.example.org" not in answer.text


def test_a_lost_file_is_made_again(buyer: Person, tmp_path: Path) -> None:
    pay(buyer.id)
    jobs.issue_invoices()
    (file,) = tmp_path.rglob("*.pdf")
    file.unlink()
    url = f"{URL}/{rows(Invoice)[0].id}"
    assert buyer.get(url).status_code == 202
    jobs.issue_invoices()
    assert buyer.get(url).status_code == 200
