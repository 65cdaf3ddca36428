"""Routes of invoices: the list in pages, the PDF, and no other user's."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from api.background import jobs
from api.models.payment import RefundStatus
from configs.object_store import Blobs, StoreAway
from tests.api.invoices.documents import issue, list_documents, pay, refund
from tests.api.world import Person

URL = "/api/billing/invoices"


@pytest.fixture
def buyer(person: Callable[..., Person], tmp_path: Path, settings_env: Callable[..., None]) -> Person:
    settings_env(INVOICES_URL=tmp_path / "invoices")
    return person()


def test_the_list_has_invoices_and_credit_notes(client: FlaskClient, buyer: Person) -> None:
    payment = pay(buyer.id)
    refund(payment, 500)
    refund(payment, 100, RefundStatus.PENDING)
    pay()
    issue()
    items = (client.get(URL, headers=buyer.headers).json or {})["items"]
    assert [(each["kind"], each["amount"]) for each in items] == [("credit_note", 500), ("invoice", 1499)]
    assert items[0]["corrects"] == items[1]["number"]
    assert {each["paymentId"] for each in items} == {str(payment)}
    assert {each["pdfReady"] for each in items} == {False}


def test_the_list_has_pages(client: FlaskClient, buyer: Person) -> None:
    for _ in range(3):
        pay(buyer.id)
    issue()
    first = client.get(f"{URL}?limit=2", headers=buyer.headers).json or {}
    second = client.get(f"{URL}?limit=2&before={first['next']}", headers=buyer.headers).json or {}
    assert (len(first["items"]), len(second["items"]), second["next"]) == (2, 1, None)


def test_the_pdf_is_there_once_it_is_made(client: FlaskClient, buyer: Person) -> None:
    pay(buyer.id)
    (document,) = issue()
    answer = client.get(f"{URL}/{document.id}", headers=buyer.headers)
    assert (answer.status_code, answer.headers["Retry-After"], answer.data) == (202, "10", b"")
    jobs.issue_invoices()
    answer = client.get(f"{URL}/{document.id}", headers=buyer.headers)
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    assert answer.data.startswith(b"%PDF-")
    assert document.number in answer.headers["Content-Disposition"]


def test_a_store_that_is_away_is_said(
    client: FlaskClient, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay(buyer.id)
    jobs.issue_invoices()

    def refuse(blobs: Blobs, key: str) -> bytes:
        raise StoreAway("secret.example.org refuses")

    monkeypatch.setattr(Blobs, "get", refuse)
    answer = client.get(f"{URL}/{list_documents()[0].id}", headers=buyer.headers)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert "secret.example.org" not in answer.text


def test_a_lost_file_is_made_again(client: FlaskClient, buyer: Person, tmp_path: Path) -> None:
    pay(buyer.id)
    jobs.issue_invoices()
    (file,) = tmp_path.rglob("*.pdf")
    file.unlink()
    url = f"{URL}/{list_documents()[0].id}"
    assert client.get(url, headers=buyer.headers).status_code == 202
    jobs.issue_invoices()
    assert client.get(url, headers=buyer.headers).status_code == 200


def test_another_users_is_not_there(
    client: FlaskClient, buyer: Person, person: Callable[..., Person]
) -> None:
    pay(buyer.id)
    (document,) = issue()
    stranger = person("stranger@example.org")
    for each in (document.id, uuid4()):
        assert client.get(f"{URL}/{each}", headers=stranger.headers).status_code == 404
    assert client.get(f"{URL}/{document.id}").status_code == 401
    assert (client.get(URL, headers=stranger.headers).json or {})["items"] == []
