"""Files of documents: made by the job, kept in the store, made again where they are lost or name somebody who left."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from api.jobs import schedule as jobs
from api.models.base import new_id, session
from api.models.invoice import Invoice
from api.models.payment import RefundStatus
from api.payments.invoices import issuing, pdf
from api.payments.invoices.__main__ import main
from api.payments.invoices.issuing import forget_client, issue_due, make_due_files
from configs.ground.object_store import Blobs, StoreAway
from tests.api.payments.invoices.documents import issue, pay, refund
from tests.clients import People, Person
from tests.factories import one, rows
from tests.in_turn import in_turn


@pytest.fixture(autouse=True)
def folder(database: str, tmp_path: Path, settings_env: Callable[..., None]) -> Path:
    settings_env(INVOICES_URL=tmp_path / "invoices")
    return tmp_path / "invoices"


def test_a_run_issues_and_makes_the_file(folder: Path) -> None:
    pay()
    assert jobs.issue_invoices() == {"issued": 1, "files": 1, "failed": 0}
    (document,) = rows(Invoice)
    assert document.pdf_key is not None
    assert (folder / document.pdf_key).read_bytes().startswith(b"%PDF-")
    assert jobs.issue_invoices() == {"issued": 0, "files": 0, "failed": 0}


def test_a_store_that_is_away_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pay()
    pay()
    asked = []

    def refuse(blobs: Blobs, key: str, data: bytes) -> None:
        asked.append(key)
        raise StoreAway("a test")

    with monkeypatch.context() as patch:
        patch.setattr(Blobs, "put", refuse)
        assert jobs.issue_invoices() == {"issued": 2, "files": 0, "failed": 1}
    assert len(asked) == 1
    assert jobs.issue_invoices() == {"issued": 0, "files": 2, "failed": 0}


def test_a_slow_store_leaves_what_the_runs_time_is_not_enough_for_to_the_next_run(
    monkeypatch: pytest.MonkeyPatch, settings_env: Callable[..., None]
) -> None:
    for _ in range(3):
        pay()
    issue_due(60)
    real = Blobs.put

    def take(blobs: Blobs, key: str, data: bytes) -> None:
        time.sleep(0.3)
        real(blobs, key, data)

    with monkeypatch.context() as patch:
        patch.setattr(Blobs, "put", take)
        settings_env(ISSUING_SECONDS="0.15")  # and twice as long for files
        assert jobs.issue_invoices() == {"issued": 0, "files": 1, "failed": 0}
    assert make_due_files(60) == (2, 0)


def test_one_that_cannot_be_drawn_keeps_no_other_from_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, _ = pay(), pay()
    real = pdf.render_pdf

    def fail(row: Invoice) -> bytes:
        if row.payment_id == wrong:
            raise ZeroDivisionError
        return real(row)

    with monkeypatch.context() as patch:
        patch.setattr(pdf, "render_pdf", fail)
        assert jobs.issue_invoices() == {"issued": 2, "files": 1, "failed": 1}
    assert jobs.issue_invoices() == {"issued": 0, "files": 1, "failed": 0}


def test_a_name_that_goes_leaves_the_file_too(person: People, folder: Path) -> None:
    camille = person()
    pay(camille.id, client_name="Camille")
    jobs.issue_invoices()
    (document,) = rows(Invoice)
    (file,) = folder.rglob("*.pdf")
    named = file.read_bytes()
    with session() as s:
        forget_client(s, camille.id)
    assert issuing.read_file(rows(Invoice)[0]) is None
    make_due_files(60)
    assert [*folder.rglob("*.pdf")] == [file]
    assert file.read_bytes() != named
    assert rows(Invoice)[0].pdf_key == document.pdf_key


def test_a_slow_worker_leaves_no_name_in_the_store(
    person: People, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """While it stores, the account goes, and another worker makes the file without the name."""
    camille = person()
    pay(camille.id, client_name="Camille")
    issue_due(60)
    real = Blobs.put

    def put_late(blobs: Blobs, key: str, data: bytes) -> None:
        patch.setattr(Blobs, "put", real)
        with session() as s:
            forget_client(s, camille.id)
        assert make_due_files(60) == (1, 0)
        unnamed.append((folder / key).read_bytes())
        real(blobs, key, data)
        assert len(data) != len(unnamed[0])

    unnamed: list[bytes] = []
    with monkeypatch.context() as patch:
        patch.setattr(Blobs, "put", put_late)
        make_due_files(60)
    make_due_files(60)
    (file,) = folder.rglob("*.pdf")
    assert len(file.read_bytes()) == len(unnamed[0]), "the name is gone for good"


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


def test_it_is_one_page_with_every_letter_of_ours_and_the_same_once_more(document: Invoice) -> None:
    made = pdf.render_pdf(document)
    assert pdf.render_pdf(document) == made
    assert made.startswith(b"%PDF-")
    assert count_pages(made) == 1
    assert set("Œœé€’–") <= read_letters(made)


@in_turn("name", ["ليلى", "x" * 100, "\u202egnp.exe", "名前", "A\u0301"])
def test_any_name_is_taken(document: Invoice, name: str) -> None:
    document.client_name = name
    made = pdf.render_pdf(document)
    assert count_pages(made) == 1


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


def test_the_pdf_is_there_once_it_is_made_and_again_where_it_was_lost(
    buyer: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(blobs: Blobs, key: str) -> bytes:
        raise StoreAway("secret.example.org refuses")

    pay(buyer.id)
    (document,) = issue()
    url = f"{URL}/{document.id}"
    for _ in range(2):
        answer = buyer.get(url)
        assert (answer.status_code, answer.headers["Retry-After"], answer.data) == (202, "10", b"")
        jobs.issue_invoices()
        answer = buyer.get(url)
        assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
        assert answer.data.startswith(b"%PDF-")
        assert document.number in answer.headers["Content-Disposition"]
        with monkeypatch.context() as patch:
            patch.setattr(Blobs, "get", refuse)
            answer = buyer.get(url)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        assert "secret.example.org" not in answer.text
        (file,) = tmp_path.rglob("*.pdf")
        file.unlink()


def test_a_restore_takes_issued_documents_back_in_and_names_the_others(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = pay()
    jobs.issue_invoices()
    (first,) = rows(Invoice)
    assert first.pdf_key
    record = json.loads((folder / first.pdf_key).with_suffix(".json").read_text())
    assert record["causes"][0] == f"paid:{known}"
    assert "client_name" not in record
    lost = pay(cents=499)  # its document was issued after the instant that was restored
    for number, cause in (("000002", f"paid:{lost}"), ("000005", "paid:an order that Stripe does not name")):
        name = folder / first.pdf_key.replace(first.id.hex, number)
        changed = {"number": f"{first.number[:6]}{number}", "causes": [cause], "id": str(new_id())}
        name.with_suffix(".json").write_text(
            json.dumps(record | changed | {"amount_cents": 499, "pdf_key": f"2026/{number}.pdf"})
        )
    for _ in range(2):
        assert main() == 0
    assert "F2026-000005: lost by a restore" in capsys.readouterr().out.splitlines()[-1]
    jobs.issue_invoices()
    again = one(Invoice, Invoice.payment_id == lost)
    assert (again.number, again.issued_at, again.amount_cents) == ("F2026-000002", first.issued_at, 499)
    pay()
    jobs.issue_invoices()
    assert max(each.number for each in rows(Invoice)) == "F2026-000006"
    assert main() == 0
    told = capsys.readouterr().out.splitlines()
    assert [each.partition(":")[0] for each in told[1:]] == ["F2026-000005"]
