"""Files of documents: made by the job, kept in the store, made again where they are lost or name somebody who left."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from api.background import jobs
from api.invoices import pdf, pdf_files
from api.invoices.issuing import forget_client, issue_due
from api.invoices.pdf_files import make_due_files
from api.models.base import session
from api.models.invoice import Invoice
from configs.ground.object_store import Blobs, StoreAway, invoice_blobs
from tests.api.invoices.documents import pay
from tests.clients import People
from tests.factories import get, rows


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


def test_a_kill_between_store_and_row_makes_it_again(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    pay()
    issue_due(60)
    with monkeypatch.context() as patch:
        patch.setattr(pdf_files, "clock", _die)
        with pytest.raises(KeyboardInterrupt):
            make_due_files(60)
    assert len([*folder.rglob("*.pdf")]) == 1
    assert make_due_files(60) == (1, 0)
    assert len([*folder.rglob("*.pdf")]) == 1


def _die() -> None:
    raise KeyboardInterrupt


def test_no_more_time_leaves_the_rest_to_the_next_run() -> None:
    for _ in range(3):
        pay()
    issue_due(60)
    assert (make_due_files(0), make_due_files(60)) == ((0, 0), (3, 0))


def test_a_run_without_an_invoice_loads_nothing_to_draw_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "api.invoices.pdf", None)  # an import raises
    assert make_due_files(60) == (0, 0)


def test_a_file_that_the_store_lost_is_made_again() -> None:
    pay()
    jobs.issue_invoices()
    (document,) = rows(Invoice)
    assert document.pdf_key is not None
    invoice_blobs().delete(document.pdf_key)
    assert pdf_files.read_file(document) is None
    assert jobs.issue_invoices() == {"issued": 0, "files": 1, "failed": 0}
    (document,) = rows(Invoice)
    assert pdf_files.read_file(document) is not None


def test_a_name_that_goes_leaves_the_file_too(person: People, folder: Path) -> None:
    camille = person()
    pay(camille.id, client_name="Camille")
    jobs.issue_invoices()
    (document,) = rows(Invoice)
    (file,) = folder.rglob("*.pdf")
    named = file.read_bytes()
    with session() as s:
        forget_client(s, camille.id)
    assert pdf_files.read_file(rows(Invoice)[0]) is None
    make_due_files(60)
    assert [*folder.rglob("*.pdf")] == [file]
    assert file.read_bytes() != named
    assert rows(Invoice)[0].pdf_key == document.pdf_key


def test_a_name_that_goes_while_its_file_is_stored_is_not_kept(
    person: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    camille = person()
    pay(camille.id, client_name="Camille")
    issue_due(60)
    real = Blobs.put

    def put_and_forget(blobs: Blobs, key: str, data: bytes) -> None:
        real(blobs, key, data)
        with session() as s:
            forget_client(s, camille.id)

    with monkeypatch.context() as patch:
        patch.setattr(Blobs, "put", put_and_forget)
        make_due_files(60)
    assert get(Invoice, rows(Invoice)[0].id).pdf_made_at is None
    assert make_due_files(60) == (1, 0)


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
